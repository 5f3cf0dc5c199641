import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { MESSAGES, RETRY_TIERS } from '@bulk/contracts';
import { CodedError, RetryableError, success } from '@bulk/domain';
import { eventually, TopicReader } from '@bulk/testing';
import { entity, HandlerHarness, idsIn, withActionType, type ActionTypeOfTest } from './harness.ts';

let harness: HandlerHarness;
let waiting: TopicReader;
afterEach(() => harness.installation.dispose());

async function given(extra: Readonly<Record<string, string>> = {}): Promise<void> {
  harness = await HandlerHarness.create({
    RETRY_IN_PLACE_MS: '300',
    RETRY_TIERS_MS: '1000,1500,2000',
    MAX_ATTEMPTS: '100',
    ...extra,
  });
  const { retries } = harness.installation.topics;
  waiting = await TopicReader.open(
    harness.installation.kafka,
    RETRY_TIERS.map((tier) => retries[tier]),
  );
  harness.installation.onDispose(() => waiting.close());
}

const postponed = (count: number): Promise<true> =>
  eventually('a batch waits in a retry topic', () => (waiting.messages.length >= count ? true : undefined));

/**
 * An action type with a dependency that is unavailable until the test changes `away`. It changes
 * contacts through the store.
 */
class Dependency {
  away = true;

  readonly type: ActionTypeOfTest = {
    process: async ({ id }, { identity, entityType, at, now, store }) => {
      if (this.away) throw new CodedError('UPSTREAM_AWAY', 'not now', { retryable: true });
      const scope = { accountId: identity.accountId, entityType, at, now };
      await store.write(scope, [{ kind: 'update', entityId: id, set: { lastName: 'Late' }, unset: [] }]);
      return success();
    },
  };
}

/** Publishes one batch of partition 0. */
async function publish(actionType: string, ids: readonly string[]): Promise<string> {
  const actionId = randomUUID();
  const entities = ids.map((id, i) =>
    entity(i, id, actionType === 'update' ? { lastName: 'Newer' } : {}, `row ${i}`),
  );
  await harness.publish({ actionId, batchNo: 0, partition: 0, actionType, entities });
  return actionId;
}

describe('a batch that waits for longer than the in-place budget', () => {
  it('lets its partition continue, is tried when it is due, and is reported with its place in the lane', async () => {
    // The wait is longer than the session: heartbeats continue while the partition of the retry
    // topic is paused.
    await given({ RETRY_TIERS_MS: '8000,9000,10000' });
    const [first, second] = idsIn(0, 2) as [string, string];
    await harness.givenContacts([first, second]);
    const dependency = new Dependency();
    const late = await publish('own', [first]);
    const next = await publish('update', [second]);
    const service = await harness.start(withActionType('own', dependency.type));
    await harness.awaitResults(1, next);
    expect(await harness.resultsOf(late)).toEqual([]);
    await postponed(1);
    dependency.away = false;
    const [result] = await harness.awaitResults(1, late);
    expect(result!.source).toEqual({
      topic: harness.installation.topics.entityBatches.normal,
      partition: 0,
      offset: 0,
    });
    expect(result!.outcomes[0]).toMatchObject({ status: 'success', ref: 'row 0' });
    expect(result!.outcomes[0]!.attempts).toBeGreaterThan(1);
    expect(await harness.contact(first)).toMatchObject({
      lastName: 'Late',
      fence: { normal: { partition: 0, offset: 0 } },
    });
    expect(waiting.messages).toHaveLength(1);
    expect(service.failures).toEqual([]);
    expect(harness.deadLetters.messages).toHaveLength(0);
  });

  it('does not undo the changes of a later action (G5)', async () => {
    await given();
    const [contested, alone] = idsIn(0, 2) as [string, string];
    await harness.givenContacts([contested, alone]);
    const dependency = new Dependency();
    const late = await publish('own', [contested, alone]);
    const newer = await publish('update', [contested]);
    await harness.start(withActionType('own', dependency.type));
    await harness.awaitResults(1, newer);
    dependency.away = false;
    const [result] = await harness.awaitResults(1, late);
    expect(result!.outcomes.map(({ status, code }) => [status, code])).toEqual([
      ['failure', 'SUPERSEDED'],
      ['success', null],
    ]);
    expect(await harness.contact(contested)).toMatchObject({ lastName: 'Newer', version: 2 });
    expect(await harness.contact(alone)).toMatchObject({ lastName: 'Late', version: 2 });
  });

  it('keeps the outcomes that were settled before it waited, whatever has changed since', async () => {
    await given();
    const [done, held] = idsIn(0, 2) as [string, string];
    await harness.givenContacts([done, held]);
    const dependency = new Dependency();
    dependency.away = false;
    let isHeld = true;
    const calls: string[] = [];
    const late = await publish('own', [done, held]);
    const newer = await publish('update', [done]);
    await harness.start(
      withActionType('own', {
        process: (one, context) => {
          calls.push(one.id);
          return one.id === held && isHeld
            ? Promise.reject(new RetryableError('held'))
            : dependency.type.process(one, context);
        },
      }),
    );
    await harness.awaitResults(1, newer);
    isHeld = false;
    const [result] = await harness.awaitResults(1, late);
    expect(result!.outcomes.map(({ status, code }) => [status, code])).toEqual([
      ['success', null],
      ['success', null],
    ]);
    expect(result!.outcomes[0]!.attempts).toBe(1);
    expect(result!.outcomes[1]!.attempts).toBe(calls.filter((id) => id === held).length);
    expect(calls.filter((id) => id === done)).toHaveLength(1);
    expect(await harness.contact(done)).toMatchObject({ lastName: 'Newer' });
  });

  it('is recorded in its action before it waits, so that the dispatch of the other batches continues', async () => {
    await given();
    const [id] = idsIn(0, 1) as [string];
    await harness.givenContacts([id]);
    const dependency = new Dependency();
    const actionId = randomUUID();
    const entities = [entity(0, id, {})];
    await harness.givenStagedBatch(actionId, 0, 0, entities);
    await harness.publish({ actionId, batchNo: 0, partition: 0, actionType: 'own', entities });
    // A replay of a counted batch does not count as in flight.
    const replayed = randomUUID();
    await harness.givenStagedBatch(replayed, 0, 0, entities);
    await harness.publish({
      actionId: replayed,
      batchNo: 0,
      partition: 0,
      actionType: 'own',
      entities,
      generation: 1,
    });
    await harness.start(withActionType('own', dependency.type));
    await postponed(2);
    const dispatchOf = async (_id: string) => (await harness.database.actions.findOne({ _id }))?.dispatch;
    expect((await dispatchOf(actionId))?.postponed).toEqual([0]);
    expect(await dispatchOf(replayed)).not.toHaveProperty('postponed');
    // Another tier, and another mark of the same batch.
    await postponed(4);
    expect((await dispatchOf(actionId))?.postponed).toEqual([0]);
    dependency.away = false;
    await harness.awaitResults(1, actionId);
  });

  it('is processed by another instance after its own has stopped', async () => {
    await given();
    const [id] = idsIn(0, 1) as [string];
    await harness.givenContacts([id]);
    const dependency = new Dependency();
    const late = await publish('own', [id]);
    await harness.start(withActionType('own', dependency.type));
    await postponed(1);
    await harness.stop();
    dependency.away = false;
    await harness.start(withActionType('own', dependency.type));
    const [result] = await harness.awaitResults(1, late);
    expect(result!.outcomes[0]).toMatchObject({ status: 'success' });
    expect(await harness.contact(id)).toMatchObject({ lastName: 'Late', version: 2 });
  });

  it('moves one tier further each time, and is dead-lettered when it has waited for too long', async () => {
    await given({ RETRY_TIERS_MS: '200,300,400', RETRY_MAX_AGE_MS: '6000' });
    const [id] = idsIn(0, 1) as [string];
    const late = await publish('own', [id]);
    await harness.start(withActionType('own', new Dependency().type));
    const [result] = await harness.awaitResults(1, late);
    expect(result!.outcomes[0]).toMatchObject({ code: 'DEAD_LETTERED', ref: 'row 0' });
    const letter = await eventually('a dead letter', () => harness.deadLetters.messages[0]);
    const content = await harness.codec.decode(MESSAGES.deadLetter, letter.message.value);
    expect(content).toMatchObject({
      code: 'UPSTREAM_AWAY',
      topic: harness.installation.topics.entityBatches.normal,
      partition: 0,
      offset: 0,
    });
    expect(Object.keys(content.headers)).toEqual([]);
    const { retries } = harness.installation.topics;
    const admin = harness.installation.kafka.admin();
    await admin.connect();
    const counts = await Promise.all(
      RETRY_TIERS.map(async (tier) => {
        const offsets = await admin.fetchTopicOffsets(retries[tier]);
        return Number(offsets.find(({ partition }) => partition === 0)?.high);
      }),
    );
    await admin.disconnect();
    expect(counts.slice(0, 2)).toEqual([1, 1]);
    expect(counts[2]).toBeGreaterThanOrEqual(2);
  });
});
