import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MESSAGES } from '@bulk/contracts';
import { ACTION_STATUSES, isFinal, outcomeStage, statusAfterOutcomes, type ActionStatus } from '@bulk/domain';
import { loadConfig } from '@bulk/runtime';
import { checkAccounting, eventually, inProcessService } from '@bulk/testing';
import { Accountant } from '../src/accounting/accountant.ts';
import { ActionCounts } from '../src/accounting/action-counts.ts';
import { toBatchLog } from '../src/accounting/batch-log.ts';
import { LogStore } from '../src/accounting/log-store.ts';
import { statsAggregatorConfigSchema } from '../src/config.ts';
import { ResultConsumer } from '../src/consumption/result-consumer.ts';
import { createContainer, TOKENS } from '../src/container.ts';
import { AggregatorHarness } from './harness.ts';

let harness: AggregatorHarness;
beforeEach(async () => {
  harness = await AggregatorHarness.create();
});
afterEach(() => harness.installation.dispose());

const numbers = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe('the logs and counts of an action', () => {
  it('are complete at the end, with a log per batch, equal counts and codes, and one last event', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 200);
    await harness.start();
    const results = numbers(20).map((n) => harness.result(actionId, n));
    const changes = '{"before":{"city":null},"after":{"city":"Bonn"}}';
    const made = { effect: 'updated', version: 2, changes } as const;
    const outcomes = results[1]!.outcomes.map((one) =>
      one.status === 'success' ? { ...one, ...made } : one,
    );
    results[1] = { ...results[1]!, outcomes };
    await harness.publish(...results);
    const action = await harness.awaitStatus(actionId, 'completed');
    const report = await checkAccounting(harness.database, actionId);
    expect(report.breaches).toEqual([]);
    const log = await harness.database.actionLogs.findOne({ _id: `${actionId}:1` });
    expect(log?.outcomes.map((one) => one.changes)).toEqual(
      outcomes.map(({ status }) => (status === 'success' ? changes : undefined)),
    );
    expect(action.codes).toEqual({ ENTITY_NOT_FOUND: 67, DUPLICATE_ENTITY: 19 });
    expect(action.startedAt).toBeInstanceOf(Date);
    expect(action.finishedAt).toBeInstanceOf(Date);
    const events = await eventually('the last event', async () => {
      const seen = await harness.progressOf(actionId);
      return seen.at(-1)?.status === 'completed' ? seen : undefined;
    });
    expect(events.at(-1)).toMatchObject({ ...action.counts, total: 200, version: action.version });
    const versions = events.map(({ version }) => version);
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
  });

  it('do not change when everything is delivered again, and the state is published again', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 100);
    await harness.start();
    await harness.publish(...numbers(10).map((n) => harness.result(actionId, n)));
    const before = await harness.awaitStatus(actionId, 'completed');
    await eventually(
      'the last event',
      async () => (await harness.progressOf(actionId)).at(-1)?.status === 'completed',
    );
    await harness.stop();
    const told = (await harness.progressOf(actionId)).length;
    await harness.rewind();
    await harness.start();
    await eventually('an event again', async () => (await harness.progressOf(actionId)).length > told);
    await harness.stop();
    expect(await harness.database.actions.findOne({ _id: actionId })).toEqual(before);
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
  });

  it('exclude a copy of a batch at another offset, next to the first copy and much later', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 40);
    await harness.start();
    const [a, b, c, d] = numbers(4).map((n) => harness.result(actionId, n));
    await harness.publish(a!, a!, b!, c!, a!, c!, d!, b!);
    await harness.awaitStatus(actionId, 'completed');
    await eventually('all offsets are passed', async () => {
      const action = await harness.database.actions.findOne({ _id: actionId });
      return Object.values(action?.applied ?? {})[0] === 7;
    });
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
  });

  it('are exact although instances start and stop in the middle', async () => {
    const actionIds = numbers(6).map(() => randomUUID());
    for (const actionId of actionIds) await harness.givenAction(actionId, 300);
    const first = await harness.start();
    await harness.start();
    for (const n of numbers(30)) {
      await harness.publish(...actionIds.map((actionId) => harness.result(actionId, n)));
      if (n === 10) await first.stop();
      if (n === 20) await harness.start();
    }
    for (const actionId of actionIds) {
      await harness.awaitStatus(actionId, 'completed');
      expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
    }
  });
});

describe('results after a crash or a stall', () => {
  const source = (offset: number) => ({ partition: 0, offset });

  it('are counted by the next run when the first one only logged them', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 30);
    const logs = numbers(3).map((n) => toBatchLog(harness.result(actionId, n), source(n)));
    await new LogStore(harness.database).store(logs.slice(0, 2)); // It crashed after that.
    const accountant = new Accountant(
      new LogStore(harness.database),
      new ActionCounts(harness.database, () => new Date()),
    );
    const [state] = await accountant.account(0, logs);
    expect(state).toMatchObject({ status: 'completed' });
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
  });

  it('are counted once when two instances process the same chunk at the same time', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 300);
    const all = numbers(30).map((n) => toBatchLog(harness.result(actionId, n), source(n)));
    const one = () =>
      new Accountant(new LogStore(harness.database), new ActionCounts(harness.database, () => new Date()));
    // A stalled owner and the new one, with different chunks.
    const work = async (size: number): Promise<void> => {
      const accountant = one();
      for (let i = 0; i < all.length; i += size) await accountant.account(0, all.slice(i, i + size));
    };
    await Promise.all([work(7), work(4), work(30)]);
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
  });
});

describe('the status of an action', () => {
  const CASES = ACTION_STATUSES.flatMap((status) => [
    { status, skipped: 0 },
    { status, skipped: 1 },
  ]);

  it.each(CASES)('moves from $status as the rules of the domain say', async ({ status, skipped }) => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 20, { status });
    const counts = new ActionCounts(harness.database, () => new Date());
    let applied: number | undefined;
    for (const [offset, n] of [0, 10, 10].entries()) {
      const left = n === 0 ? 0 : skipped;
      const codes = left === 0 ? {} : { ACTION_CANCELLED: left };
      const tally = { success: n - left, failure: 0, skipped: left, codes };
      const before = await harness.database.actions.findOne({ _id: actionId });
      const after = await counts.add(actionId, 0, applied, { tally, batches: n / 10, applied: offset });
      const sum = { ...after!.counts, codes: after!.codes };
      expect(after!.status).toBe(statusAfterOutcomes(before!.status as ActionStatus, outcomeStage(sum, 20)));
      expect(after!.finishedAt !== null).toBe(isFinal(after!.status as ActionStatus) && !isFinal(status));
      applied = offset;
    }
    expect((await harness.database.actions.findOne({ _id: actionId }))?.countedBatches).toBe(2);
  });
});

describe('a poison message', () => {
  it('is dead-lettered alone, and its neighbours count (G6)', async () => {
    const [known, unknown] = [randomUUID(), randomUUID()];
    await harness.givenAction(known, 30);
    const beyond = harness.result(known, 7);
    const { topics, kafka } = harness.installation;
    const raw = kafka.producer();
    await raw.connect();
    await raw.send({ topic: topics.results, messages: [{ key: known, value: 'not Avro' }] });
    await raw.disconnect();
    await harness.publish(
      harness.result(known, 0),
      harness.result(unknown, 0),
      beyond,
      harness.result(known, 1),
      harness.result(known, 2),
    );
    await harness.start();
    await harness.awaitStatus(known, 'completed');
    expect((await checkAccounting(harness.database, known)).breaches).toEqual([]);
    const letters = await eventually('three dead letters', async () => {
      if (harness.deadLetters.messages.length < 3) return undefined;
      return Promise.all(
        harness.deadLetters.messages.map(({ message }) =>
          harness.codec.decode(MESSAGES.deadLetter, message.value),
        ),
      );
    });
    expect(letters.map(({ code }) => code).sort()).toEqual([
      'ACTION_NOT_FOUND',
      'MALFORMED_MESSAGE',
      'MALFORMED_MESSAGE',
    ]);
    expect(letters.every(({ service }) => service === 'stats-aggregator')).toBe(true);
    expect(await harness.database.actionLogs.countDocuments({ actionId: unknown })).toBe(0);
  });
});

describe('stats-aggregator', () => {
  it('resolves its composition root, is ready while it consumes, and stops in order', async () => {
    const root = inProcessService();
    const config = loadConfig(statsAggregatorConfigSchema, harness.installation.env);
    const container = await createContainer(config, root.context);
    expect(container.get(TOKENS.consumer)).toBeInstanceOf(ResultConsumer);
    await root.stop();
    const service = await harness.start();
    expect(service.context.health.ready).toBe(true);
    await harness.stop();
    expect(service.context.health.ready).toBe(false);
    expect(service.failures).toEqual([]);
  });
});
