import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { workspaceRoot } from '@bulk/local-stack';
import { entityKey } from '@bulk/mongo';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { checkAccounting, eventually, linkTo, type BreakableLink } from '@bulk/testing';
import { ServiceGroup, type ServiceName } from '@bulk/tools';
import { install, installConfigSchema } from '@bulk/tools/install';
import { noteSkipped } from '@bulk/tools/skipped-checks';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { buildEarlierVersion, whyUnavailable, type EarlierVersion } from './earlier-version.ts';
import {
  ACCOUNT,
  InstallationUnderTest,
  modelOf,
  scenario,
  type Scenario,
} from './installation-under-test.ts';

/**
 * The last version before progress events had `pausedMs`.
 *
 * Since then, the documents of actions, quotas, epochs of topics and the claims in Redis have changed as well, and
 * subjects became FULL_TRANSITIVE. The commit is in the history of `main` for ever.
 */
const EARLIER = '4101d5f7080e0727cdb2821f466d6460986e72b9';
/** Packages that the earlier version used and the workspace no longer has. */
const STUBS = {
  cockatiel: `export const noJitterGenerator = (attempt, { initialDelay, maxDelay, exponent }) =>
    [Math.min(maxDelay, initialDelay * exponent ** attempt), attempt + 1];`,
};

const GROUP = 'the services of an earlier version';
const TITLES = {
  intakeFirst: 'complete actions of a present intake, and carry out no row that it found faulty',
  intakeLast: 'leave a batch that waits to the present ones, which complete actions of an earlier intake',
  rolling: 'take a waiting batch back, and complete actions together with the present ones',
};
const SIZE = 400;
const NONE = { intake: 0, handler: 0, 'stats-aggregator': 0, notifier: 0 };
const OTHERS: readonly ServiceName[] = ['handler', 'stats-aggregator', 'notifier'];
type Version = 'earlier' | 'present';
const acceptedSchema = z.object({ data: z.object({ actionId: z.string() }) });

const unavailable = await whyUnavailable(EARLIER);

describe(GROUP, () => {
  if (unavailable !== undefined) {
    for (const title of Object.values(TITLES)) {
      noteSkipped({ name: `${GROUP} ${title}`, reason: unavailable });
      it.todo(title);
    }
    return;
  }
  let building: Promise<EarlierVersion>;
  let earlier: EarlierVersion;
  let system: InstallationUnderTest;
  let link: BreakableLink;
  let handlerEnv: Readonly<Record<string, string>>;
  const running = new Map<string, ServiceGroup>();

  /** Starts services of a version, which run until they are stopped. */
  async function start(version: Version, names: readonly ServiceName[]): Promise<void> {
    const { env } = system.installation;
    const logs = join(workspaceRoot, '.stack', 'e2e', env['MONGODB_DATABASE'] ?? '');
    const group = await ServiceGroup.start({
      env: { PATH: process.env['PATH'], ...env },
      mode: 'built',
      instances: { ...NONE, ...Object.fromEntries(names.map((name) => [name, 1])) },
      ...(version === 'earlier' && { args: earlier.args }),
      extraEnv: { handler: handlerEnv },
      output: (instance) => ({ kind: 'file', path: join(logs, `${version}-${instance}.log`) }),
    });
    running.set(`${version} ${names.join()}`, group);
  }

  async function stop(version: Version, names: readonly ServiceName[]): Promise<void> {
    await running.get(`${version} ${names.join()}`)?.stop();
    running.delete(`${version} ${names.join()}`);
  }

  beforeAll(async () => {
    building = buildEarlierVersion(EARLIER, STUBS);
    // The services of the earlier version create the installation, before the present installer runs.
    system = await InstallationUnderTest.start(
      NONE,
      {},
      {
        BATCH_SIZE: '50',
        SCHEMA_COMPATIBILITY: 'FULL',
        RETRY_IN_PLACE_MS: '100',
        RETRY_TIERS_MS: '1000,1000,1000',
      },
      {},
      (installation) => installation.deleteTopics(),
    );
    const linked = await linkTo('mongodb', system.installation.env);
    link = linked.link;
    handlerEnv = { ...linked.env, MONGODB_TIMEOUT_MS: '1000' };
    earlier = await building;
    system.installation.onDispose(async () => {
      await Promise.all([...running.values()].map((group) => group.stop()));
      await link.close();
    });
    await start('earlier', OTHERS);
    await install(
      loadConfig(installConfigSchema, system.installation.env),
      silentLogger(),
      new AbortController().signal,
    );
  }, 120_000);
  afterAll(async () => {
    const [built] = await Promise.allSettled([building, system.dispose()]);
    if (built.status === 'fulfilled') await built.value.remove();
  });

  const groupOf = (version: Version, names: readonly ServiceName[]): ServiceGroup =>
    running.get(`${version} ${names.join()}`)!;

  /** Uploads an action of an update to the intake of a version. @returns its id. */
  async function upload(version: Version, given: Scenario): Promise<string> {
    await system.givenContacts(given.before);
    return send(
      version,
      'actionType=update',
      given.entities.map((entity) => JSON.stringify(entity)),
    );
  }

  /**
   * Uploads lines to the intake of a version. It uses no client: the names of times in answers have changed for callers,
   * which is not what is tested here.
   *
   * @returns the id of the action.
   */
  async function send(version: Version, query: string, lines: readonly string[]): Promise<string> {
    const response = await fetch(`${groupOf(version, ['intake']).intakeUrl}/bulk-actions?${query}`, {
      method: 'POST',
      headers: { 'x-account-id': ACCOUNT, 'content-type': 'application/x-ndjson' },
      body: lines.map((line) => `${line}\n`).join(''),
    });
    const answer: unknown = await response.json();
    expect([response.status, answer]).toEqual([202, expect.objectContaining({ success: true })]);
    return acceptedSchema.parse(answer).data.actionId;
  }

  async function ended(actionId: string, mark: string): Promise<void> {
    await eventually(
      `${mark} has ended`,
      async () => (await system.database.actions.findOne({ _id: actionId }))?.status === 'completed',
      { timeoutMs: 60_000 },
    );
  }

  /** Waits for the end of an action, and compares it with the model. */
  async function expectModel(actionId: string, mark: string, given: Scenario): Promise<void> {
    await ended(actionId, mark);
    await system.expectOutcome(actionId, mark, modelOf(given), false);
  }

  /** Runs an action to its end, which the notifier of a version reports. */
  async function completes(intake: Version, notifier: Version, mark: string): Promise<void> {
    const given = scenario(SIZE, mark);
    const socket = new WebSocket(groupOf(notifier, OTHERS).notifierUrl, {
      headers: { 'x-account-id': ACCOUNT },
    });
    const frames: unknown[] = [];
    socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString())));
    try {
      await once(socket, 'open');
      socket.send(JSON.stringify({ event: 'subscribeAccount' }));
      await eventually('the account is followed', () => frames.length > 0);
      const actionId = await upload(intake, given);
      await expectModel(actionId, mark, given);
      const end = { actionId, status: 'completed', total: SIZE, processed: SIZE };
      await eventually('the end is reported', () => {
        expect(frames).toContainEqual({ event: 'actionUpdate', data: expect.objectContaining(end) });
        return true;
      });
    } finally {
      socket.terminate();
    }
  }

  /** Sends faulty rows to the present intake. Expects that the earlier handler, which ignores their faults, fails them. */
  async function failsFaultyRows(query: string, mark: string): Promise<void> {
    const before = { version: 1, fields: { lastName: 'Before', city: 'Bonn' } };
    await system.givenContacts(new Map([[mark, before.fields]]));
    const actionId = await send('present', query, [`{"id":"${mark}","ref":7}`, 'no JSON']);
    await ended(actionId, mark);
    const { breaches, outcomes } = await checkAccounting(system.database, actionId);
    expect(breaches).toEqual([]);
    expect(outcomes.map(({ entityId, status, code }) => [entityId, status, code])).toEqual([
      [mark, 'failure', 'INVALID_ENTITY'],
      ['', 'failure', 'INVALID_ENTITY'],
    ]);
    await system.expectContacts(mark, new Map([[mark, before]]));
    const contacts = system.database.entities('contacts');
    expect(await contacts.findOne({ _id: entityKey(ACCOUNT, '') })).toBeNull();
  }

  /** Uploads an action while handler does not reach MongoDB, until a batch is in a retry topic. @returns its id. */
  async function postponed(version: Version, given: Scenario): Promise<string> {
    const admin = system.installation.kafka.admin();
    const waiting = async (): Promise<number> => {
      const partitions = await admin.fetchTopicOffsets(system.installation.topics.retries.short);
      return partitions.reduce((sum, { high }) => sum + Number(high), 0);
    };
    await admin.connect();
    try {
      const before = await waiting();
      link.break();
      const actionId = await upload(version, given);
      await eventually('a batch is postponed', async () => (await waiting()) > before, { timeoutMs: 60_000 });
      return actionId;
    } finally {
      await admin.disconnect();
    }
  }

  it(
    TITLES.intakeFirst,
    async () => {
      await start('present', ['intake']);
      await completes('present', 'earlier', 'first');
      await failsFaultyRows('actionType=delete', 'faulty-delete');
      const config = encodeURIComponent(JSON.stringify({ set: { lastName: 'Carried out' } }));
      await failsFaultyRows(`actionType=upsert&config=${config}`, 'faulty-upsert');
    },
    120_000,
  );

  it(
    TITLES.intakeLast,
    async () => {
      const given = scenario(SIZE, 'handed');
      const actionId = await postponed('present', given);
      await Promise.all([stop('earlier', OTHERS), stop('present', ['intake'])]);
      link.restore();
      await Promise.all([start('earlier', ['intake']), start('present', OTHERS)]);
      await expectModel(actionId, 'handed', given);
      await completes('earlier', 'present', 'last');
    },
    120_000,
  );

  it(
    TITLES.rolling,
    async () => {
      const given = scenario(SIZE, 'back');
      const actionId = await postponed('earlier', given);
      await stop('present', OTHERS);
      link.restore();
      await Promise.all([start('earlier', OTHERS), start('present', ['intake'])]);
      await expectModel(actionId, 'back', given);
      await start('present', OTHERS);
      await Promise.all([
        completes('earlier', 'present', 'both-1'),
        completes('present', 'earlier', 'both-2'),
      ]);
    },
    120_000,
  );
});
