import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MESSAGES, type BatchResult, type DeadLetter } from '@bulk/contracts';
import { CodedError, EMPTY_TALLY } from '@bulk/domain';
import { silentLogger } from '@bulk/runtime';
import { DeadLetters, DONE, type Chunk, type ReceivedMessage } from '@bulk/kafka';
import { checkAccounting, eventually } from '@bulk/testing';
import { StoreError } from '@bulk/mongo';
import { MongoServerError } from 'mongodb';
import { Accountant } from '../src/accounting/accountant.ts';
import { ActionCounts } from '../src/accounting/action-counts.ts';
import { toBatchLog } from '../src/accounting/batch-log.ts';
import { LogStore } from '../src/accounting/log-store.ts';
import { CountedResults } from '../src/consumption/counted-results.ts';
import { DeadResults } from '../src/consumption/dead-results.ts';
import { ResultConsumer } from '../src/consumption/result-consumer.ts';
import { statsAggregatorGroup } from '../src/container.ts';
import { AggregatorHarness } from './harness.ts';

let harness: AggregatorHarness;
beforeEach(async () => {
  harness = await AggregatorHarness.create();
});
afterEach(() => harness.installation.dispose());

async function letters(n: number): Promise<DeadLetter[]> {
  const found = await eventually(`${n} dead letters`, () => {
    const { messages } = harness.deadLetters;
    return messages.length >= n ? messages : undefined;
  });
  return Promise.all(found.map(({ message }) => harness.codec.decode(MESSAGES.deadLetter, message.value)));
}

/** Builds a result with positions `from` to `from + 9` under the name of another batch. */
function claiming(actionId: string, batchNo: number, from: number): BatchResult {
  const { outcomes } = harness.result(actionId, from / 10);
  return harness.result(actionId, batchNo, { outcomes });
}

/** Fails to count the number of times that `faults` says. */
class Failing extends ActionCounts {
  faults = 0;
  error = new CodedError('STORE_FAILED', 'refused for good');

  override add(...args: Parameters<ActionCounts['add']>): ReturnType<ActionCounts['add']> {
    if (this.faults === 0) return super.add(...args);
    this.faults -= 1;
    return Promise.reject(this.error);
  }
}

function consumerWith(
  counts: ActionCounts,
  logs = new LogStore(harness.database),
  maxAttempts = 1,
  maxBytes = 1_000_000,
): ResultConsumer {
  const { topics } = harness.installation;
  const { codec, producer } = harness;
  const accountant = new Accountant(logs, counts);
  return new ResultConsumer({
    results: new CountedResults({ topics, codec, accountant, producer }),
    accountant,
    deadLetters: new DeadLetters(harness.producer, topics.deadLetters, 'stats-aggregator'),
    deadResults: new DeadResults(harness.database, () => new Date()),
    maxAttempts,
    maxBytes,
    log: silentLogger(),
  });
}

async function chunkOf(...results: BatchResult[]): Promise<Chunk> {
  const topic = harness.installation.topics.results;
  const messages = await Promise.all(
    results.map(async (result, offset): Promise<ReceivedMessage> => ({
      topic,
      partition: 0,
      offset,
      key: Buffer.from(result.actionId),
      value: await harness.codec.encode(topic, result),
      headers: {},
    })),
  );
  const heartbeat = () => Promise.resolve();
  return {
    topic,
    partition: 0,
    messages,
    highWatermark: messages.length,
    ending: new AbortController().signal,
    started: () => undefined,
    heartbeat,
    confirmOwnership: heartbeat,
  };
}

describe('counts of an action', () => {
  it('exclude an unknown batch that repeats the positions of another', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 20);
    await harness.publish(harness.result(actionId, 0), claiming(actionId, 9, 0), harness.result(actionId, 1));
    await harness.start();
    await harness.awaitStatus(actionId, 'completed');
    const [letter] = await letters(1);
    expect(letter).toMatchObject({ code: 'MALFORMED_MESSAGE', offset: 1 });
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
  });

  it('exclude a batch with a position that the action does not have', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 20);
    await harness.publish(
      harness.result(actionId, 0),
      claiming(actionId, 1, 20),
      harness.result(actionId, 1),
    );
    await harness.start();
    await harness.awaitStatus(actionId, 'completed');
    const [letter] = await letters(1);
    expect(letter).toMatchObject({ code: 'MALFORMED_MESSAGE', offset: 1 });
    expect(letter!.message).toContain('position 29');
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
  });

  it('never exceed the total, although each of two results from different partitions would fit alone', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 20);
    const counts = new ActionCounts(harness.database, () => new Date());
    const twelve = { tally: { ...EMPTY_TALLY, success: 12 }, batches: 1, applied: 0 };
    const states = await Promise.all([0, 1].map((p) => counts.add(actionId, p, undefined, twelve)));
    expect(states.filter((state) => state !== undefined)).toHaveLength(1);
  });

  it('exclude a batch with more positions than are left, which is dead-lettered and leaves no log', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 20);
    const { outcomes } = harness.result(actionId, 0);
    const greedy = harness.result(actionId, 1, {
      outcomes: [...outcomes, ...harness.result(actionId, 1).outcomes],
    });
    await harness.publish(harness.result(actionId, 0), greedy, harness.result(actionId, 1));
    await harness.start();
    await harness.awaitStatus(actionId, 'completed');
    const [letter] = await letters(1);
    expect(letter).toMatchObject({ code: 'MALFORMED_MESSAGE', offset: 1 });
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
  });
});

describe('a result that was dead-lettered', () => {
  it('leaves no log, also when it is redelivered after its successors, and counts when replayed', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 30);
    const [a, b, c] = [0, 1, 2].map((n) => harness.result(actionId, n));
    const counts = new Failing(harness.database, () => new Date());
    const consumer = consumerWith(counts);
    const logged = (batchNo: number) =>
      harness.database.actionLogs.countDocuments({ _id: `${actionId}:${batchNo}` });

    counts.faults = 2; // one for the chunk, and one for the message alone
    const first = await chunkOf(a!);
    expect(await consumer.process(first)).toEqual(DONE);
    expect(await letters(1)).toMatchObject([{ code: 'STORE_FAILED', offset: 0 }]);
    expect(await logged(0)).toBe(0);

    const all = await chunkOf(a!, b!, c!);
    await consumer.process({ ...all, messages: all.messages.slice(1) });
    await consumer.process(all); // the commit was lost
    expect(await logged(0)).toBe(0);

    const replayed = await chunkOf(a!, b!, c!, a!);
    await consumer.process({ ...replayed, messages: replayed.messages.slice(3) });
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
  });

  it('keeps its log when another instance has counted it', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 10);
    const log = toBatchLog(harness.result(actionId, 0), { partition: 0, offset: 4 });
    const counts = new ActionCounts(harness.database, () => new Date());
    const accountant = new Accountant(new LogStore(harness.database), counts);
    await accountant.account(0, [log]);
    await accountant.giveUp(log);
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
    expect(
      await counts.add(actionId, 0, undefined, { tally: EMPTY_TALLY, batches: 0, applied: 9 }),
    ).toBeUndefined();
  });

  it('does not remove the log of the first copy of its batch', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 10);
    const at = (offset: number) => toBatchLog(harness.result(actionId, 0), { partition: 0, offset });
    const counts = new ActionCounts(harness.database, () => new Date());
    const accountant = new Accountant(new LogStore(harness.database), counts);
    await accountant.account(0, [at(0)]);
    await accountant.giveUp(at(3));
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
  });
});

/** Fails to remove logs the number of times that `faults` says. */
class FailingLogs extends LogStore {
  faults = 0;

  override remove(...args: Parameters<LogStore['remove']>): Promise<void> {
    if (this.faults === 0) return super.remove(...args);
    this.faults -= 1;
    const cause = new MongoServerError({ message: 'not authorized on crm to remove', code: 13 });
    return Promise.reject(new StoreError(cause));
  }
}

describe('a store that refuses every client', () => {
  it.each([13, 371, 987_654])('makes results wait and dead-letters none (code %d)', async (code) => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 20);
    const counts = new Failing(harness.database, () => new Date());
    const consumer = consumerWith(counts);
    const chunk = await chunkOf(harness.result(actionId, 0), harness.result(actionId, 1));
    counts.faults = 5;
    counts.error = new StoreError(new MongoServerError({ message: 'no', code }));
    for (let tries = 0; tries < 5; tries += 1) {
      await expect(consumer.process(chunk)).rejects.toBe(counts.error);
    }
    expect(await consumer.process(chunk)).toEqual(DONE);
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
    expect(harness.deadLetters.messages).toEqual([]);
  });

  it('causes one dead letter for a bad result, however often its log cannot be removed', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 20);
    const logs = new FailingLogs(harness.database);
    const consumer = consumerWith(new ActionCounts(harness.database, () => new Date()), logs);
    logs.faults = 6;
    const chunk = await chunkOf(
      harness.result(actionId, 0),
      claiming(actionId, 7, 0),
      harness.result(actionId, 1),
    );
    while ((await consumer.process(chunk).catch((refusal: unknown) => refusal)) !== DONE);
    expect(logs.faults).toBe(0);
    await harness.producer.send(harness.installation.topics.deadLetters, [
      { key: 'end', value: { ...(await letters(1))[0]!, code: 'END' } },
    ]);
    expect((await letters(2)).map(({ code, offset }) => [code, offset])).toEqual([
      ['MALFORMED_MESSAGE', 1],
      ['END', 1],
    ]);
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
  });
});

describe('a transient fault', () => {
  const unavailable = new CodedError('STORE_UNAVAILABLE', 'no answer', { retryable: true });

  it('is retried without limit, for a whole chunk and for a split chunk', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 20);
    const counts = new Failing(harness.database, () => new Date());
    const consumer = consumerWith(counts);
    const good = await chunkOf(harness.result(actionId, 0));
    const bad = await chunkOf(harness.result(actionId, 0), claiming(actionId, 7, 0));
    const chunk = { ...bad, messages: [good.messages[0]!, bad.messages[1]!] };
    counts.error = unavailable;
    // Of a whole chunk.
    counts.faults = 99;
    for (let tries = 0; tries < 99; tries += 1) {
      await expect(consumer.process(good)).rejects.toBe(unavailable);
    }
    // Of a part: the chunk is taken apart because of its second message.
    counts.faults = 1;
    await expect(consumer.process(chunk)).rejects.toBe(unavailable);
    // The fault has passed: only the bad message is dead-lettered, once.
    expect(await consumer.process(chunk)).toEqual(DONE);
    expect(await letters(1)).toMatchObject([{ offset: 1, code: 'MALFORMED_MESSAGE' }]);
    const action = await harness.database.actions.findOne({ _id: actionId });
    expect(action!.counts.success + action!.counts.failure + action!.counts.skipped).toBe(10);
  });
});

describe('a message that fails for an unknown reason', () => {
  it('gets all of its tries although it joined a chunk that was tried before', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 20);
    const counts = new Failing(harness.database, () => new Date());
    const consumer = consumerWith(counts, new LogStore(harness.database), 3);
    const both = await chunkOf(harness.result(actionId, 0), harness.result(actionId, 1));
    const first = { ...both, messages: both.messages.slice(0, 1) };
    counts.faults = Infinity;
    await expect(consumer.process(first)).rejects.toBe(counts.error);
    await expect(consumer.process(first)).rejects.toBe(counts.error);
    // The third try of the first message, which is dead-lettered, and the first try of the second.
    await expect(consumer.process(both)).rejects.toBe(counts.error);
    expect(await letters(1)).toMatchObject([{ offset: 0, code: 'STORE_FAILED' }]);
    counts.faults = 0;
    expect(await consumer.process(both)).toEqual(DONE);
    expect(harness.deadLetters.messages).toHaveLength(1);
    const action = await harness.database.actions.findOne({ _id: actionId });
    expect(action!.countedBatches).toBe(1);
  });
});

describe('a chunk of more bytes than the maximum', () => {
  it('is processed in parts, each of which is done before the next one starts', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 30);
    const counts = new ActionCounts(harness.database, () => new Date());
    const consumer = consumerWith(counts, new LogStore(harness.database), 1, 10);
    const chunk = await chunkOf(...[0, 1, 2].map((n) => harness.result(actionId, n)));
    const rest = (from: number) => ({ ...chunk, messages: chunk.messages.slice(from) });
    const part = { kind: 'retry', done: 1, afterMs: 0 };
    expect(await consumer.process(rest(0))).toEqual(part);
    expect(await consumer.process(rest(1))).toEqual(part);
    expect(await consumer.process(rest(2))).toEqual(DONE);
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
  });
});

describe('stopping under load', () => {
  it('finishes the chunk under way and commits exactly what is counted', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 2_000);
    await harness.publish(...Array.from({ length: 200 }, (_, n) => harness.result(actionId, n)));
    await harness.start();
    const applied = async () => {
      const action = await harness.database.actions.findOne({ _id: actionId });
      return Object.entries(action?.applied ?? {})[0];
    };
    await eventually('some are counted', async () => (await applied()) !== undefined, { everyMs: 1 });
    await harness.stop();
    const [partition, offset] = (await applied())!;
    const admin = harness.installation.kafka.admin();
    await admin.connect();
    const groupId = statsAggregatorGroup(harness.installation.env['TOPIC_PREFIX']!);
    const [committed] = await admin.fetchOffsets({ groupId, topics: [harness.installation.topics.results] });
    await admin.disconnect();
    const own = committed!.partitions.find((one) => one.partition === Number(partition));
    expect(own!.offset).toBe(String(offset + 1));
    expect(offset).toBeLessThan(199); // else nothing was under way
    await harness.start();
    await harness.awaitStatus(actionId, 'completed');
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
  });
});
