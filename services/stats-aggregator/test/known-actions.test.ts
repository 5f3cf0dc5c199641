import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DeadLetters, DONE, type Chunk } from '@bulk/kafka';
import { silentLogger } from '@bulk/runtime';
import { checkAccounting, eventually } from '@bulk/testing';
import { Accountant } from '../src/accounting/accountant.ts';
import { ActionCounts } from '../src/accounting/action-counts.ts';
import { toBatchLog, type BatchLog } from '../src/accounting/batch-log.ts';
import { LogStore } from '../src/accounting/log-store.ts';
import { CountedResults } from '../src/consumption/counted-results.ts';
import { DeadResults } from '../src/consumption/dead-results.ts';
import { ResultConsumer } from '../src/consumption/result-consumer.ts';
import { AggregatorHarness } from './harness.ts';

let harness: AggregatorHarness;
beforeAll(async () => {
  harness = await AggregatorHarness.create();
});
afterAll(() => harness.installation.dispose());

/** Counts how often actions are read. */
class CountedReads extends ActionCounts {
  reads = 0;

  override find(ids: readonly string[]): ReturnType<ActionCounts['find']> {
    this.reads += 1;
    return super.find(ids);
  }
}

const numbers = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const logsOf = (actionId: string, batches: number): BatchLog[] =>
  numbers(batches).map((n) => toBatchLog(harness.result(actionId, n), { partition: 0, offset: n }));
const counting = () => new CountedReads(harness.database, () => new Date());
/** One instance, with a memory of its own. */
const instance = (counts: ActionCounts = counting()) =>
  new Accountant(new LogStore(harness.database), counts);
const action = async (actionId: string) => (await harness.database.actions.findOne({ _id: actionId }))!;
const breaches = async (actionId: string) => (await checkAccounting(harness.database, actionId)).breaches;

describe('an instance that knows an action', () => {
  it('reads the action once for all of its chunks', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 60);
    const counts = counting();
    const accountant = instance(counts);
    const logs = logsOf(actionId, 6);
    for (const n of numbers(3)) await accountant.account(0, logs.slice(2 * n, 2 * n + 2));
    expect(counts.reads).toBe(1);
    expect(await breaches(actionId)).toEqual([]);
  });

  it('counts what the model counts although another instance counts the same chunks in turn', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 400);
    const logs = logsOf(actionId, 40);
    const [one, other] = [instance(), instance()];
    // Each instance falls behind while the other one has the partition, and starts before its place.
    for (const [accountant, from, to] of [
      [one, 0, 7],
      [other, 3, 12],
      [one, 5, 9],
      [one, 9, 20],
      [other, 12, 16],
      [other, 0, 25],
      [one, 18, 30],
      [other, 25, 40],
      [one, 20, 40],
    ] as const) {
      const states = await accountant.account(0, logs.slice(from, to));
      expect(states[0]!.applied['0']).toBeGreaterThanOrEqual(to - 1);
    }
    expect(await breaches(actionId)).toEqual([]);
  });

  it('counts what the model counts although others count the same chunks at the same time', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 300);
    const logs = logsOf(actionId, 30);
    const known = [instance(), instance(), instance()];
    for (const accountant of known) await accountant.account(0, logs.slice(0, 1));
    await Promise.all(
      known.map(async (accountant, i) => {
        for (let from = 1; from < 30; from += 3 + i)
          await accountant.account(0, logs.slice(from, from + 3 + i));
      }),
    );
    expect(await breaches(actionId)).toEqual([]);
  });

  it('reads the action again before it refuses a result that contradicts its memory', async () => {
    const actionId = randomUUID();
    // Counts that a person has changed by hand.
    await harness.givenAction(actionId, 40, { counts: { success: 20, failure: 0, skipped: 0 } });
    const accountant = instance();
    const logs = logsOf(actionId, 4);
    await accountant.account(0, logs.slice(0, 1));
    const { success } = (await action(actionId)).counts;
    await harness.database.actions.updateOne(
      { _id: actionId },
      { $set: { 'counts.success': success - 20 }, $inc: { version: 1 } },
    );
    await accountant.account(0, logs.slice(1));
    expect(await breaches(actionId)).toEqual([]);
  });

  it('publishes a status that the action got from another service', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 40);
    const accountant = instance();
    const logs = logsOf(actionId, 4);
    await accountant.account(0, logs.slice(0, 1));
    await harness.database.actions.updateOne(
      { _id: actionId },
      { $set: { status: 'paused' }, $inc: { version: 1 } },
    );
    const [state] = await accountant.account(0, logs.slice(1, 2));
    expect(state).toMatchObject({ status: 'paused', version: (await action(actionId)).version });
  });
});

describe('another instance that crashes', () => {
  it('after the logs of a chunk leaves the count to an instance that knows the action', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 40);
    const accountant = instance();
    const logs = logsOf(actionId, 4);
    await accountant.account(0, logs.slice(0, 1));
    await new LogStore(harness.database).store(logs.slice(1, 3)); // It crashed after that.
    await accountant.account(0, logs.slice(1));
    expect(await breaches(actionId)).toEqual([]);
  });

  it('after the count of a chunk leaves the event to an instance that knows an older state', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 40);
    const accountant = instance();
    const consumer = consumerOf(accountant);
    const chunk = await chunkOf(actionId, 4);
    const rest = { ...chunk, messages: chunk.messages.slice(1) };
    expect(await consumer.process({ ...chunk, messages: chunk.messages.slice(0, 1) })).toEqual(DONE);
    await instance().account(0, logsOf(actionId, 4).slice(1)); // It crashed before it published the end.
    const ended = await action(actionId);
    expect(ended.status).toBe('completed');

    expect(await consumer.process(rest)).toEqual(DONE);
    await eventually('the end is published', async () =>
      (await harness.progressOf(actionId)).some(({ version }) => version === ended.version),
    );
    expect(await action(actionId)).toEqual(ended);
    expect(await breaches(actionId)).toEqual([]);
  });
});

describe('the results of a large action that arrive one by one', () => {
  const INTERVAL_MS = 100;
  /** Enough that half of them, sent one by one, take several intervals. */
  const BATCHES = 900;
  /** The number of batches below which nothing waits. */
  const AT_ONCE = 32;

  it('are counted together once per interval, and the end is published', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, BATCHES * 10);
    await harness.start({ COUNTING_INTERVAL_MS: String(INTERVAL_MS), CHUNK_SIZE: '1000' });
    let sent = 0;
    while (sent < BATCHES / 2 && (await harness.progressOf(actionId)).length < 4) {
      await harness.publish(harness.result(actionId, sent));
      sent += 1;
    }
    await harness.publish(...numbers(BATCHES - sent).map((n) => harness.result(actionId, sent + n)));
    const { version } = await harness.awaitStatus(actionId, 'completed');
    const events = await eventually('the end is published', async () => {
      const seen = await harness.progressOf(actionId);
      return seen.at(-1)?.version === version ? seen : undefined;
    });
    await harness.stop();
    expect(await breaches(actionId)).toEqual([]);
    const far = events.filter(
      ({ total, success, failure, skipped }) => total - success - failure - skipped > AT_ONCE * 10,
    );
    const gaps = far.slice(1).map(({ updatedAt }, i) => updatedAt - far[i]!.updatedAt);
    expect(gaps.length).toBeGreaterThan(1);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(INTERVAL_MS - 1);
  });
});

function consumerOf(accountant: Accountant): ResultConsumer {
  const { topics } = harness.installation;
  const { codec, producer, database } = harness;
  return new ResultConsumer({
    results: new CountedResults({ topics, codec, accountant, producer }),
    accountant,
    deadLetters: new DeadLetters(producer, topics.deadLetters, 'stats-aggregator'),
    deadResults: new DeadResults(database, () => new Date()),
    maxAttempts: 1,
    maxBytes: 1_000_000,
    log: silentLogger(),
  });
}

async function chunkOf(actionId: string, batches: number): Promise<Chunk> {
  const topic = harness.installation.topics.results;
  const nothing = () => Promise.resolve();
  return {
    topic,
    partition: 0,
    messages: await Promise.all(
      numbers(batches).map(async (offset) => ({
        topic,
        partition: 0,
        offset,
        key: Buffer.from(actionId),
        value: await harness.codec.encode(topic, harness.result(actionId, offset)),
        headers: {},
      })),
    ),
    highWatermark: batches,
    ending: new AbortController().signal,
    started: () => undefined,
    heartbeat: nothing,
    confirmOwnership: nothing,
  };
}
