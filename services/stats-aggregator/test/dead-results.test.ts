import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { BatchResult } from '@bulk/contracts';
import { checkAccounting, eventually } from '@bulk/testing';
import { AggregatorHarness } from './harness.ts';

let harness: AggregatorHarness;
beforeEach(async () => {
  harness = await AggregatorHarness.create();
});
afterEach(() => harness.installation.dispose());

const breaches = async (actionId: string) => (await checkAccounting(harness.database, actionId)).breaches;

/** Stages the batches of ten positions to which `harness.result` refers. */
async function staged(actionId: string, batches: number): Promise<void> {
  await harness.givenAction(actionId, batches * 10);
  await harness.database.stagedBatches.insertMany(
    Array.from({ length: batches }, (_, batchNo) => ({
      _id: `${actionId}:${batchNo}`,
      actionId,
      batchNo,
      partition: batchNo % 3,
      entities: harness
        .result(actionId, batchNo)
        .outcomes.map(({ position, entityId }) => ({ position, id: entityId, ref: null, fields: '{}' })),
    })),
  );
}

/** Sends a result as handler does, with headers. `bytes` replaces the encoded result. */
async function send(result: BatchResult, bytes?: Buffer): Promise<void> {
  const { topics, kafka } = harness.installation;
  const producer = kafka.producer();
  await producer.connect();
  const value = bytes ?? (await harness.codec.encode(topics.results, result));
  const headers = { 'result-id': result.resultId, generation: String(result.generation) };
  await producer.send({ topic: topics.results, messages: [{ key: result.actionId, value, headers }] });
  await producer.disconnect();
}

async function lettersArrived(n: number): Promise<void> {
  await eventually(`${n} dead letters`, () => harness.deadLetters.messages.length >= n);
}

describe('a result that is dead-lettered', () => {
  it('fails at its positions, so that the action completes, until a replay replaces the outcomes', async () => {
    const actionId = randomUUID();
    await staged(actionId, 3);
    const beyond = harness.result(actionId, 7).outcomes;
    await send(harness.result(actionId, 0), Buffer.from('not Avro'));
    await send(harness.result(actionId, 1));
    await send(harness.result(actionId, 2, { outcomes: beyond }));
    await harness.start();
    const dead = await harness.awaitStatus(actionId, 'completed');
    expect(dead.codes['DEAD_LETTERED']).toBe(20);
    expect(await breaches(actionId)).toEqual([]);
    const log = await harness.database.actionLogs.findOne({ _id: `${actionId}:0` });
    expect(log?.outcomes[0]).toMatchObject({
      position: 0,
      entityId: 'e0',
      status: 'failure',
      code: 'DEAD_LETTERED',
    });
    await lettersArrived(2);
    const headers = harness.deadLetters.messages.map(({ message }) => message.headers);
    expect(headers.map((one) => [String(one?.['action-id']), String(one?.['batch-no'])])).toEqual([
      [actionId, '0'],
      [actionId, '2'],
    ]);

    await send(harness.result(actionId, 0, { generation: 1 }));
    await send(harness.result(actionId, 2, { generation: 1 }));
    const replayed = await eventually('both replays are counted', async () => {
      const action = await harness.database.actions.findOne({ _id: actionId });
      return action?.codes['DEAD_LETTERED'] === undefined ? action : undefined;
    });
    expect(replayed).toMatchObject({ status: 'completed', countedBatches: 3 });
    expect(await breaches(actionId)).toEqual([]);
  });

  it('does not change existing outcomes of its batch, also when everything is delivered again', async () => {
    const actionId = randomUUID();
    await staged(actionId, 2);
    const [first, second] = [harness.result(actionId, 0), harness.result(actionId, 1)];
    await send(first);
    await send(first, Buffer.from('not Avro'));
    await send(second);
    await harness.start();
    const before = await harness.awaitStatus(actionId, 'completed');
    expect(before.codes).not.toHaveProperty('DEAD_LETTERED');
    await lettersArrived(1);
    await harness.stop();
    await harness.rewind();
    await harness.start();
    await lettersArrived(2);
    await harness.stop();
    expect(await harness.database.actions.findOne({ _id: actionId })).toEqual(before);
    expect(await breaches(actionId)).toEqual([]);
  });

  it('of an unknown action or without the staged batch fails no position', async () => {
    const [unknown, purged, end] = [randomUUID(), randomUUID(), randomUUID()];
    await harness.givenAction(purged, 10);
    await staged(end, 1);
    await send(harness.result(unknown, 0));
    await send(harness.result(purged, 0), Buffer.from('not Avro'));
    await send(harness.result(end, 0));
    await harness.start();
    await harness.awaitStatus(end, 'completed');
    await lettersArrived(2);
    await harness.stop();
    expect(await harness.database.actionLogs.countDocuments({ actionId: { $in: [unknown, purged] } })).toBe(
      0,
    );
    expect((await harness.database.actions.findOne({ _id: purged }))?.status).toBe('queued');
  });
});
