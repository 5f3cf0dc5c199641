import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { entity, HandlerHarness, idsIn, type GivenBatch } from './harness.ts';

let harness: HandlerHarness;
beforeEach(async () => {
  harness = await HandlerHarness.create();
});
afterEach(() => harness.installation.dispose());

describe('a replay', () => {
  it('is applied once per generation, reports its generation, and repeats its outcomes when redelivered', async () => {
    const [id, other] = idsIn(0, 2) as [string, string];
    await harness.givenContacts([id, other]);
    const actionId = randomUUID();
    const batch: GivenBatch = {
      actionId,
      batchNo: 0,
      partition: 0,
      entities: [entity(0, id, { lastName: 'After' }), entity(1, id, { lastName: 'Again' })],
    };
    const end = randomUUID();
    await harness.publish(
      batch,
      { ...batch, generation: 1 },
      { ...batch, generation: 1 },
      batch,
      { ...batch, generation: 2 },
      { ...batch, actionId: end, entities: [entity(0, other, { lastName: 'After' })] },
    );
    await harness.start();
    await harness.awaitResults(1, end);
    const results = await harness.resultsOf(actionId);
    expect(results.map(({ generation, source }) => [generation, source.offset])).toEqual([
      [0, 0],
      [1, 1],
      [2, 4],
    ]);
    const codes = results.map(({ outcomes }) => outcomes.map(({ code }) => code));
    expect(codes).toEqual([0, 1, 2].map(() => [null, 'DUPLICATE_ENTITY']));
    expect(await harness.contact(id)).toMatchObject({ version: 4 });
    const headers = harness.results.messages.map(({ message }) => String(message.headers?.['generation']));
    expect(headers).toEqual(['0', '1', '2', '0']);

    await harness.stop();
    await harness.rewind();
    await harness.start();
    await harness.awaitResults(2, end);
    // The fence of the last replay is ahead of the other replays, which have reported.
    const again = (await harness.resultsOf(actionId)).slice(3);
    expect(again.map(({ generation }) => generation)).toEqual([2]);
    expect(again[0]?.outcomes).toEqual(results[2]?.outcomes);
    expect(await harness.contact(id)).toMatchObject({ version: 4 });
  });

  it('leaves entities to another batch of its action that has claimed them first', async () => {
    const [id, other] = idsIn(1, 2) as [string, string];
    await harness.givenContacts([id, other]);
    const actionId = randomUUID();
    await harness.publish(
      { actionId, batchNo: 1, partition: 1, entities: [entity(7, id, { lastName: 'Seven' })] },
      {
        actionId,
        batchNo: 0,
        partition: 1,
        entities: [entity(0, id, { lastName: 'Zero' }), entity(1, other, { lastName: 'One' })],
        generation: 1,
      },
    );
    await harness.start();
    const [, replay] = await harness.awaitResults(2, actionId);
    expect(replay).toMatchObject({ batchNo: 0, generation: 1 });
    expect(replay?.outcomes.map(({ code }) => code)).toEqual(['DUPLICATE_ENTITY', null]);
    expect(await harness.contact(id)).toMatchObject({ lastName: 'Seven' });
  });
});
