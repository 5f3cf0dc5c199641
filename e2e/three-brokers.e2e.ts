import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { contact } from '@bulk/action-types';
import { allTopics } from '@bulk/contracts';
import { OUTCOME_CODES } from '@bulk/domain';
import { intakeConfigSchema, startIntake } from '@bulk/intake';
import {
  OWN_PARTS,
  replicationVariables,
  resetStack,
  startStack,
  type ProcessName,
  type RunningStack,
} from '@bulk/local-stack';
import type { LoggedOutcome } from '@bulk/mongo';
import { loadConfig } from '@bulk/runtime';
import {
  checkAccounting,
  eventually,
  Exposition,
  inProcessService,
  KafkaLeaders,
  LossyProducer,
  modelled,
  modelUpdate,
} from '@bulk/testing';
import { ACCOUNT, InstallationUnderTest, scenario, type Scenario } from './installation-under-test.ts';

const BROKERS: readonly ProcessName[] = ['kafka', 'kafka-2', 'kafka-3'];
const INTAKES = ['intake', 'intake-2'];
/**
 * The counter of the gap sweeper: batches that the dispatch had confirmed and that were not in
 * Kafka.
 */
const MISSING_BATCHES = 'bulk_dispatch_missing_batches_total';
const STACK = `three-brokers-${process.pid}`;
/** Enough on a loaded machine, in ms: a minute or two is usual. */
const COMPLETION_MS = 600_000;

let stack: RunningStack;
beforeAll(async () => {
  stack = await startStack({ name: STACK, env: { ...process.env, ...OWN_PARTS }, brokers: 3 });
}, 300_000);
afterAll(() => resetStack(STACK), 120_000);

/** Builds the environment with the three brokers and the other parts. */
function stackEnvironment(): Record<string, string> {
  return {
    KAFKA_BROKERS: stack.urls.kafkaBrokers,
    SCHEMA_REGISTRY_URL: stack.urls.schemaRegistryUrl,
    MONGODB_URI: stack.urls.mongodbUri,
    REDIS_URL: stack.urls.redisUrl,
    ...replicationVariables(stack.urls),
  };
}

interface MarkedScenario extends Scenario {
  /** The prefix of all ids of its entities. */
  readonly mark: string;
}

function scenariosOf(name: string, count: number, size: number): MarkedScenario[] {
  return Array.from({ length: count }, (_, i) => ({
    mark: `${name}-${i}`,
    ...scenario(size, `${name}-${i}`),
  }));
}

async function untilCompleted({ database }: InstallationUnderTest, actionIds: string[]): Promise<void> {
  await eventually(
    'all actions are completed',
    async () =>
      (await database.actions.countDocuments({ _id: { $in: actionIds }, status: 'completed' })) ===
      actionIds.length,
    { timeoutMs: COMPLETION_MS, everyMs: 500 },
  );
}

/**
 * Compares an action with the model: one outcome for each position, and each entity as expected,
 * changed once.
 *
 * @param late positions that handlers may have received after all others; by default handlers
 * received all in order.
 */
async function expectAsTheModel(
  system: InstallationUnderTest,
  actionId: string,
  { mark, before, entities }: MarkedScenario,
  late: ReadonlySet<number> = new Set(),
): Promise<void> {
  const report = await checkAccounting(system.database, actionId);
  expect(report.breaches).toEqual([]);
  // The first of several positions of an entity counts.
  const isOvertaken = ({ position, code }: LoggedOutcome): boolean =>
    code === OUTCOME_CODES.DUPLICATE_ENTITY && late.has(position);
  const { outcomes } = report;
  const inOrder = [...outcomes.filter((one) => !isOvertaken(one)), ...outcomes.filter(isOvertaken)];
  const order = inOrder.map(({ position }) => position);
  const model = modelUpdate(
    contact,
    before,
    order.flatMap((position) => entities[position] ?? []),
  );
  expect(modelled(inOrder)).toEqual(model.outcomes.map((one, i) => ({ ...one, position: order[i] })));
  const stored = await system.storedContacts(mark);
  const different = [...model.entities].filter(
    ([id, fields]) => JSON.stringify(stored.get(id)?.fields) !== JSON.stringify(fields),
  );
  for (const [id, fields] of different) expect([id, stored.get(id)?.fields]).toEqual([id, fields]);
  // Each was applied once: a second application would have raised the version again.
  const changed = model.outcomes.filter(({ status }) => status === 'success');
  expect(changed.filter(({ entityId }) => stored.get(entityId)?.version !== 2)).toEqual([]);
}

describe('rolling broker restarts and leader changes during actions', () => {
  /** One of them restarts the first broker again, after all have been restarted. */
  const ACTIONS = 4;
  const SIZE = 25_000;
  let system: InstallationUnderTest;
  beforeAll(async () => {
    system = await InstallationUnderTest.start(
      { intake: INTAKES.length, handler: 3, 'stats-aggregator': 2 },
      {},
      stackEnvironment(),
    );
  }, 120_000);
  afterAll(() => system.dispose(), 120_000);

  it('lose and repeat nothing: every position has one outcome, and entities match the model', async () => {
    const scenarios = scenariosOf('brokers', ACTIONS, SIZE);
    for (const { before } of scenarios) await system.givenContacts(before);
    const { topics, kafka } = system.installation;
    const leaders = await KafkaLeaders.of(kafka, allTopics(topics));
    const actionIds: string[] = [];
    for (const [i, { entities }] of scenarios.entries()) {
      const intakeUrl = system.services.urlOf(INTAKES[i % INTAKES.length] ?? 'intake');
      // At worst it is refused while Kafka elects leaders. The client repeats the request under one
      // key.
      const { actionId } = await system
        .client(ACCOUNT, intakeUrl)
        .createAction({ actionType: 'update', entities: [...entities] });
      actionIds.push(actionId);
      const broker = BROKERS[i % BROKERS.length] ?? 'kafka';
      await stack.halt(broker);
      // A restart after the end would prove nothing.
      expect(
        await system.database.actions.countDocuments({
          _id: { $in: actionIds },
          status: { $ne: 'completed' },
        }),
      ).toBeGreaterThan(0);
      await stack.resume(broker);
      await leaders.untilInSync();
      await leaders.move();
    }
    await leaders.close();
    await untilCompleted(system, actionIds);
    for (const [i, one] of scenarios.entries()) await expectAsTheModel(system, actionIds[i] ?? '', one);
    for (const intake of INTAKES) {
      const metrics = await Exposition.scrape(system.services.member(intake).launch.adminPort);
      expect(metrics.sum(MISSING_BATCHES)).toBe(0);
    }
  }, 900_000);
});

describe('confirmed sends that lost some of their partitions', () => {
  const SIZE = 10_000;
  const PRIORITIES = ['normal', 'low'] as const;
  /** As kafkajs once did after a change of leader: early in an action, and at its very end. */
  const losesNext = (batchNo: number, partition: number): boolean =>
    (partition === 1 && batchNo < 40) || (partition === 2 && batchNo >= 70);
  const lossy = new LossyProducer(losesNext);
  let system: InstallationUnderTest;
  let intake: { readonly port: number; readonly adminPort: number };
  beforeAll(async () => {
    system = await InstallationUnderTest.start(
      { intake: 0, handler: 2, 'stats-aggregator': 2 },
      {},
      { ...stackEnvironment(), GAP_SWEEP_AFTER_MS: '1000', GAP_SWEEP_CRON: '* * * * * *' },
    );
    const service = inProcessService();
    system.installation.onDispose(() => service.stop());
    const config = loadConfig(intakeConfigSchema, { ...system.installation.env, PORT: '0' });
    intake = await startIntake(config, service.context, undefined, { producer: lossy.instead });
  }, 120_000);
  afterAll(() => system.dispose(), 120_000);

  it('lose no position: the gap sweeper finds every lost batch, and nothing is applied twice', async () => {
    const scenarios = scenariosOf('lossy', PRIORITIES.length, SIZE);
    for (const { before } of scenarios) await system.givenContacts(before);
    const client = system.client(ACCOUNT, `http://127.0.0.1:${intake.port}`);
    const actionIds: string[] = [];
    for (const [i, { entities }] of scenarios.entries()) {
      const priority = PRIORITIES[i] ?? 'normal';
      const { actionId } = await client.createAction({
        actionType: 'update',
        priority,
        entities: [...entities],
      });
      actionIds.push(actionId);
    }
    await untilCompleted(system, actionIds);
    for (const [i, one] of scenarios.entries()) {
      const actionId = actionIds[i] ?? '';
      const logs = await system.database.actionLogs.find({ actionId }).toArray();
      const lost = logs.filter(({ batchNo, partition }) => losesNext(batchNo, partition));
      const late = new Set(lost.flatMap(({ outcomes }) => outcomes.map(({ position }) => position)));
      await expectAsTheModel(system, actionId, one, late);
    }
    // A third of the batches of each action in those ranges. Without lost batches the test would
    // prove nothing.
    expect(lossy.lost.length).toBeGreaterThan(20 * PRIORITIES.length);
    const metrics = await Exposition.scrape(intake.adminPort);
    expect(metrics.sum(MISSING_BATCHES)).toBeGreaterThanOrEqual(lossy.lost.length);
    for (const lane of PRIORITIES) expect(metrics.sum(MISSING_BATCHES, { lane })).toBeGreaterThan(0);
  }, 600_000);
});
