import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  ACTION_HANDLERS,
  ActionRegistry,
  ENTITY_TYPES,
  UpdateHandler,
  type ActionContext,
} from '@bulk/action-types';
import type { BatchResult } from '@bulk/contracts';
import { retryLater, success, type Entity, type Outcome } from '@bulk/domain';
import { eventually, linkTo } from '@bulk/testing';
import { entity, HandlerHarness, idsIn, withActionType, type GivenBatch } from './harness.ts';

let harness: HandlerHarness;
beforeEach(async () => {
  harness = await HandlerHarness.create();
});
afterEach(() => harness.installation.dispose());

/** Builds an update of these contacts in partition 0, as the only batch of an action. */
const update = (ids: readonly string[], lastName: string, actionId: string = randomUUID()): GivenBatch => ({
  actionId,
  batchNo: 0,
  partition: 0,
  entities: ids.map((id, i) => entity(i, id, { lastName })),
});

const actionIdsOf = (batches: readonly GivenBatch[]): string[] => batches.map(({ actionId }) => actionId);

/** Returns the status of each outcome, by action. */
const statusesOf = (results: readonly BatchResult[]): Record<string, string[]> =>
  Object.fromEntries(
    results.map(({ actionId, outcomes }) => [actionId, outcomes.map(({ status }) => status)]),
  );

/**
 * Waits until everything before the end of partition 0 is done: a batch that names this contact again
 * is in a later group than the batches of the contact.
 */
async function untilDone(id: string): Promise<void> {
  const last = update([id], 'Last');
  await harness.publish(last);
  await harness.awaitResults(1, last.actionId);
}

describe('the batches of a chunk', () => {
  it('are applied in order when they name the same entities (G5)', async () => {
    const [shared, ...others] = idsIn(0, 9) as [string, ...string[]];
    await harness.givenContacts([shared, ...others]);
    const batches = others.map((other, i) => update(i % 2 === 0 ? [shared, other] : [other], `Name ${i}`));
    await harness.publish(...batches);
    await harness.start();
    const results = await harness.awaitResults(batches.length, ...actionIdsOf(batches));
    expect(results).toHaveLength(batches.length);
    expect(results.flatMap(({ outcomes }) => outcomes).every(({ status }) => status === 'success')).toBe(
      true,
    );
    // Four of the eight batches name the shared contact, and the last of them has offset 6.
    expect(await harness.contact(shared)).toMatchObject({
      version: 5,
      lastName: 'Name 6',
      fence: { normal: { partition: 0, offset: 6 } },
    });
  });

  it('skip duplicates of an action across two batches (G4)', async () => {
    const [twice, once] = idsIn(0, 2) as [string, string];
    await harness.givenContacts([twice, once]);
    const actionId = randomUUID();
    await harness.publish(
      { ...update([once, twice], 'First', actionId) },
      { actionId, batchNo: 1, partition: 0, entities: [entity(2, twice, { lastName: 'Second' })] },
    );
    await harness.start();
    const results = await harness.awaitResults(2, actionId);
    expect(results.map(({ outcomes }) => outcomes.map(({ code }) => code))).toEqual([
      [null, null],
      ['DUPLICATE_ENTITY'],
    ]);
    expect(await harness.contact(twice)).toMatchObject({ version: 2, lastName: 'First' });
  });
});

describe('a waiting batch of a group', () => {
  it('delays no result of the other batches, which are neither applied nor reported again', async () => {
    const ids = idsIn(0, 4) as [string, string, string, string];
    const calls: string[] = [];
    let isHeld = true;
    const process = ({ id }: Entity) => {
      calls.push(id);
      return Promise.resolve(isHeld && id === ids[1] ? retryLater('held') : success());
    };
    const registry = withActionType('own', {
      process,
      processBatch: (entities) => Promise.all(entities.map(process)),
    });
    const batches = ids.map((id) => ({ ...update([id], ''), actionType: 'own', retry: { maxAttempts: 20 } }));
    await harness.publish(...batches);
    await harness.start(registry, { RETRY_INITIAL_DELAY_MS: '300', RETRY_MAX_DELAY_MS: '300' });
    const [first, held, ...behind] = actionIdsOf(batches) as [string, string, string, string];
    const early = await harness.awaitResults(3, ...actionIdsOf(batches));
    expect(early.map(({ actionId }) => actionId).sort()).toEqual([first, ...behind].sort());
    isHeld = false;
    const [late] = await harness.awaitResults(1, held);
    expect(late!.outcomes[0]!.attempts).toBeGreaterThan(1);
    await untilDone(ids[1]);
    expect(await harness.resultsOf(...actionIdsOf(batches))).toHaveLength(4);
    expect(calls.filter((id) => id !== ids[1]).sort()).toEqual([ids[0], ids[2], ids[3]].sort());
  });

  it('is completed after a restart of its handler, and every batch keeps its first outcomes (G2)', async () => {
    const ids = idsIn(0, 3) as [string, string, string];
    await harness.givenContacts(ids);
    let isHeld = true;
    const registry = new ActionRegistry(
      [
        ...ACTION_HANDLERS.filter(({ actionType }) => actionType !== 'update'),
        new (class extends UpdateHandler {
          override async processBatch(
            ...given: Parameters<UpdateHandler['processBatch']>
          ): Promise<Outcome[]> {
            const outcomes = await super.processBatch(...given);
            // The write is done, and its answer is lost.
            if (isHeld && given[0][0]?.id === ids[0])
              throw Object.assign(new Error('lost'), { code: 'ECONNRESET' });
            return outcomes;
          }
        })(),
      ],
      ENTITY_TYPES,
    );
    const batches = [...ids.map((id) => update([id], 'After')), update([ids[1]], 'Later')];
    await harness.publish(...batches);
    await harness.start(registry, { RETRY_INITIAL_DELAY_MS: '200', RETRY_MAX_DELAY_MS: '200' });
    const actionIds = actionIdsOf(batches);
    await harness.awaitResults(2, ...actionIds);
    await harness.stop();
    expect(await harness.resultsOf(actionIds[0]!, actionIds[3]!)).toEqual([]);
    isHeld = false;
    await harness.start(registry);
    await harness.awaitResults(1, actionIds[3]!);
    const results = await harness.resultsOf(...actionIds);
    expect(results.flatMap(({ outcomes }) => outcomes).every(({ status }) => status === 'success')).toBe(
      true,
    );
    expect(new Set(results.map(({ actionId }) => actionId))).toEqual(new Set(actionIds));
    expect((await harness.contacts()).map(({ id, version, lastName }) => [id, version, lastName])).toEqual(
      [
        [ids[0], 2, 'After'],
        [ids[1], 3, 'Later'],
        [ids[2], 2, 'After'],
      ].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    );
  });
});

describe('an unprocessable message of a chunk', () => {
  it('is dead-lettered alone, and its neighbours are reported once', async () => {
    const ids = idsIn(0, 4) as [string, string, string, string];
    await harness.givenContacts(ids);
    const [first, second, third] = ids.map((id) => update([id], 'After')) as [
      GivenBatch,
      GivenBatch,
      GivenBatch,
    ];
    const unknown = { ...update([ids[3]], 'After'), actionType: 'of-a-newer-version' };
    await harness.publish(first);
    const producer = harness.installation.kafka.producer();
    await producer.connect();
    const topic = harness.installation.topics.entityBatches.normal;
    await producer.send({ topic, messages: [{ value: Buffer.from([0, 1, 2]), partition: 0 }] });
    await producer.disconnect();
    await harness.publish(second, unknown, third);
    await harness.start();
    await untilDone(ids[3]);
    const results = await harness.resultsOf(...actionIdsOf([first, second, third, unknown]));
    expect(results).toHaveLength(4);
    expect(statusesOf(results)).toEqual({
      [first.actionId]: ['success'],
      [second.actionId]: ['success'],
      [third.actionId]: ['success'],
      [unknown.actionId]: ['failure'],
    });
    const letters = await eventually('two dead letters', () =>
      harness.deadLetters.messages.length >= 2 ? harness.deadLetters.messages : undefined,
    );
    expect(letters).toHaveLength(2);
  });
});

/** An update whose answers never arrive: the writes are done, and nothing follows. */
class UnansweredUpdate extends UpdateHandler {
  /** Number of batches that are written. */
  written = 0;
  answer: () => void = () => undefined;
  readonly #answered = new Promise<void>((resolve) => {
    this.answer = resolve;
  });

  get registry(): ActionRegistry {
    const others = ACTION_HANDLERS.filter(({ actionType }) => actionType !== this.actionType);
    return new ActionRegistry([...others, this], ENTITY_TYPES);
  }

  override async processBatch(
    entities: readonly Entity[],
    config: Parameters<UpdateHandler['processBatch']>[1],
    context: ActionContext,
  ): Promise<Outcome[]> {
    const outcomes = await super.processBatch(entities, config, context);
    this.written += 1;
    await this.#answered;
    return outcomes;
  }
}

describe('a handler that dies between the writes of a group and their results', () => {
  it.each(['1', '2', '16'])(
    'leaves every batch to its successor, which reports each batch once, with groups of %s (G2)',
    async (size) => {
      const ids = idsIn(0, 10);
      const known = ids.slice(0, 9);
      await harness.givenContacts(known);
      const group = [0, 2, 4, 6, 8].map((i) => update(ids.slice(i, i + 2), 'After'));
      const next = update([ids[0]!, ids[5]!], 'Next');
      const unanswered = new UnansweredUpdate();
      await harness.publish(...group, next);
      const { link, env } = await linkTo('kafka', harness.installation.env);
      harness.installation.onDispose(() => link.close());
      const dead = await harness.start(unanswered.registry, env);
      await eventually('the whole group is written', () => unanswered.written === group.length);
      // Nothing of this process reaches Kafka any more.
      link.break();
      await harness.start(undefined, { GROUP_BATCHES: size });
      await harness.awaitResults(1, next.actionId);
      // Whatever is left of it reports nothing, although it reaches Kafka again.
      link.restore();
      unanswered.answer();
      await dead.stop();
      await untilDone(ids[0]!);

      const results = await harness.resultsOf(...actionIdsOf([...group, next]));
      expect(results).toHaveLength(group.length + 1);
      const all = ['success', 'success'];
      expect(statusesOf(results)).toEqual({
        ...Object.fromEntries(actionIdsOf([...group, next]).map((actionId) => [actionId, all])),
        [group[4]!.actionId]: ['success', 'failure'],
      });
      for (const contact of await harness.contacts()) {
        if (contact.id === ids[0]) expect(contact).toMatchObject({ version: 4, lastName: 'Last' });
        else if (contact.id === ids[5]) expect(contact).toMatchObject({ version: 3, lastName: 'Next' });
        else expect(contact).toMatchObject({ version: 2, lastName: 'After' });
      }
      expect(harness.deadLetters.messages).toEqual([]);
    },
  );
});
