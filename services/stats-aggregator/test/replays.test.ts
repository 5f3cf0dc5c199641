import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { BatchResult } from '@bulk/contracts';
import { checkAccounting, eventually } from '@bulk/testing';
import { Accountant } from '../src/accounting/accountant.ts';
import { ActionCounts } from '../src/accounting/action-counts.ts';
import { toBatchLog, type BatchLog } from '../src/accounting/batch-log.ts';
import { LogStore } from '../src/accounting/log-store.ts';
import { AggregatorHarness } from './harness.ts';

let harness: AggregatorHarness;
beforeEach(async () => {
  harness = await AggregatorHarness.create();
});
afterEach(() => harness.installation.dispose());

/** Builds the outcomes of a batch whose message was given up. */
function deadLettered(actionId: string, batchNo: number): BatchResult {
  const result = harness.result(actionId, batchNo);
  const dead = { status: 'failure', code: 'DEAD_LETTERED', message: 'given up' } as const;
  return { ...result, outcomes: result.outcomes.map((outcome) => ({ ...outcome, ...dead })) };
}

function replayed(actionId: string, batchNo: number, generation = 1): BatchResult {
  const result = harness.result(actionId, batchNo, { generation });
  const success = { status: 'success', code: null, message: null } as const;
  return { ...result, outcomes: result.outcomes.map((outcome) => ({ ...outcome, ...success })) };
}

const counts = () => new ActionCounts(harness.database, () => new Date());
const accountant = () => new Accountant(new LogStore(harness.database), counts());
const at = (result: BatchResult, offset: number, partition = 0): BatchLog =>
  toBatchLog(result, { partition, offset });
const action = async (actionId: string) => (await harness.database.actions.findOne({ _id: actionId }))!;
const breaches = async (actionId: string) => (await checkAccounting(harness.database, actionId)).breaches;

async function applied(actionId: string): Promise<number | undefined> {
  return Object.values((await action(actionId)).applied)[0];
}

describe("a replay's result", () => {
  it('replaces the outcomes of its batch, changes the counts and raises the version, and the action stays completed', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 30);
    await harness.start();
    await harness.publish(deadLettered(actionId, 0), harness.result(actionId, 1), deadLettered(actionId, 2));
    const before = await harness.awaitStatus(actionId, 'completed');
    expect(before.codes['DEAD_LETTERED']).toBe(20);

    await harness.publish(replayed(actionId, 0));
    await eventually('the replay is counted', async () => (await applied(actionId)) === 3);
    const after = await action(actionId);
    expect(after).toMatchObject({ status: 'completed', finishedAt: before.finishedAt, countedBatches: 3 });
    expect(after.version).toBeGreaterThan(before.version);
    expect(after.counts.success).toBe(before.counts.success + 10);
    expect(after.codes['DEAD_LETTERED']).toBe(10);
    expect(await breaches(actionId)).toEqual([]);
    const told = await eventually('followers are notified', async () =>
      (await harness.progressOf(actionId)).find(({ version }) => version === after.version),
    );
    expect(told).toMatchObject({ status: 'completed', ...after.counts });

    await harness.publish(replayed(actionId, 2));
    await eventually('the replay is counted', async () => (await applied(actionId)) === 4);
    expect((await action(actionId)).codes).not.toHaveProperty('DEAD_LETTERED');
    expect(await breaches(actionId)).toEqual([]);
  });

  it('is dropped when its batch has the same or a higher generation, also when everything is delivered again', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 20);
    await harness.start();
    await harness.publish(
      deadLettered(actionId, 0),
      harness.result(actionId, 1),
      replayed(actionId, 0, 2),
      { ...deadLettered(actionId, 0), generation: 2 },
      { ...deadLettered(actionId, 0), generation: 1 },
      deadLettered(actionId, 0),
    );
    await eventually('all offsets are passed', async () => (await applied(actionId)) === 5);
    const before = await action(actionId);
    expect(before.codes).not.toHaveProperty('DEAD_LETTERED');
    expect(await breaches(actionId)).toEqual([]);
    const told = (await harness.progressOf(actionId)).length;
    await harness.stop();
    await harness.rewind();
    await harness.start();
    await eventually('an event again', async () => (await harness.progressOf(actionId)).length > told);
    await harness.stop();
    expect(await action(actionId)).toEqual(before);
    expect(await breaches(actionId)).toEqual([]);
  });

  it('counts the same difference wherever the process died, and in whatever chunk it is redelivered', async () => {
    const given = (actionId: string): BatchLog[] =>
      [
        deadLettered(actionId, 0),
        harness.result(actionId, 1),
        replayed(actionId, 0),
        deadLettered(actionId, 1),
        replayed(actionId, 1, 2),
      ].map((result, offset) => at(result, offset));
    for (const died of [1, 3, 5]) {
      for (const size of [1, 2, 5]) {
        const actionId = randomUUID();
        await harness.givenAction(actionId, 20);
        const all = given(actionId);
        await new LogStore(harness.database).store(all.slice(0, died)); // It crashed before it counted them.
        const one = accountant();
        for (let i = 0; i < all.length; i += size) await one.account(0, all.slice(i, i + size));
        expect(await breaches(actionId)).toEqual([]);
        expect(await action(actionId)).toMatchObject({
          counts: { success: 20, failure: 0, skipped: 0 },
          countedBatches: 2,
        });
      }
    }
  });

  it('is counted once when a stalled owner and the new owner count it at the same time', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 100);
    const numbers = Array.from({ length: 10 }, (_, n) => n);
    const all = [
      ...numbers.map((n) => deadLettered(actionId, n)),
      ...numbers.map((n) => replayed(actionId, n)),
    ].map((result, offset) => at(result, offset));
    const work = async (size: number): Promise<void> => {
      const one = accountant();
      for (let i = 0; i < all.length; i += size) await one.account(0, all.slice(i, i + size));
    };
    await Promise.all([work(3), work(7), work(20)]);
    expect(await breaches(actionId)).toEqual([]);
    expect((await action(actionId)).counts).toEqual({ success: 100, failure: 0, skipped: 0 });
  });

  it('counts once when the results topic got more partitions in between', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 10);
    await Promise.all([
      accountant().account(0, [at(deadLettered(actionId, 0), 0, 0)]),
      accountant().account(1, [at(replayed(actionId, 0), 0, 1)]),
    ]);
    expect(await breaches(actionId)).toEqual([]);
    expect(await action(actionId)).toMatchObject({
      counts: { success: 10, failure: 0, skipped: 0 },
      countedBatches: 1,
    });
  });

  it('with other positions than those of its batch is refused and changes nothing', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 20);
    await accountant().account(0, [at(deadLettered(actionId, 0), 0), at(harness.result(actionId, 1), 1)]);
    const { outcomes } = replayed(actionId, 1);
    const other = at({ ...replayed(actionId, 0), outcomes }, 2);
    await expect(accountant().account(0, [other])).rejects.toMatchObject({ code: 'MALFORMED_MESSAGE' });
    await accountant().giveUp(other);
    expect(await breaches(actionId)).toEqual([]);
  });

  it('restores the outcomes that it had replaced when it is given up, but stays when the replaced result is given up', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 10);
    const [dead, replay] = [at(deadLettered(actionId, 0), 0), at(replayed(actionId, 0), 1)];
    await accountant().account(0, [dead]);
    await new LogStore(harness.database).store([replay]);
    await accountant().giveUp(replay);
    expect(await breaches(actionId)).toEqual([]);
    await accountant().account(0, [replay]);
    await accountant().giveUp(dead);
    expect(await breaches(actionId)).toEqual([]);
    expect((await action(actionId)).counts.success).toBe(10);
  });

  it('leaves a cancelled action cancelled', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 10);
    const { outcomes } = harness.result(actionId, 0);
    const skipped = outcomes.map((one, i) => ({
      ...one,
      ...(i < 5
        ? { status: 'skipped' as const, code: 'ACTION_CANCELLED', message: 'm' }
        : { status: 'failure' as const, code: 'DEAD_LETTERED', message: 'm' }),
    }));
    await accountant().account(0, [at({ ...harness.result(actionId, 0), outcomes: skipped }, 0)]);
    expect((await action(actionId)).status).toBe('cancelled');
    await accountant().account(0, [at(replayed(actionId, 0), 1)]);
    expect(await action(actionId)).toMatchObject({ status: 'cancelled', counts: { success: 10 } });
  });
});
