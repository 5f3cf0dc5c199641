import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { entity, HandlerHarness, idsIn } from './harness.ts';

let harness: HandlerHarness;
beforeAll(async () => {
  harness = await HandlerHarness.create();
  await harness.start();
});
afterAll(() => harness.installation.dispose());

const rename = { lastName: 'After' };

describe('update', () => {
  it('returns an outcome for each position, with its ref and in order', async () => {
    const [known, unknown, invalid, twice, cleared] = idsIn(0, 5, 'mix') as [
      string,
      string,
      string,
      string,
      string,
    ];
    await harness.givenContacts([known, invalid, twice, cleared]);
    const actionId = randomUUID();
    await harness.publish({
      actionId,
      batchNo: 0,
      partition: 0,
      entities: [
        entity(2, known, rename, 'row 2'),
        entity(3, unknown, rename),
        entity(5, invalid, { email: 'nobody', shoeSize: 44 }),
        entity(8, twice, rename),
        entity(9, twice, { lastName: 'Again' }),
        entity(11, cleared, { city: null }),
        entity(12, invalid, rename),
        entity(13, known, {}),
      ],
    });
    const [result] = await harness.awaitResults(1, actionId);
    expect(result).toMatchObject({ resultId: `${actionId}:0`, accountId: 'acme', batchNo: 0 });
    expect(
      result!.outcomes.map(({ position, entityId, status, code }) => [position, entityId, status, code]),
    ).toEqual([
      [2, known, 'success', null],
      [3, unknown, 'failure', 'ENTITY_NOT_FOUND'],
      [5, invalid, 'failure', 'INVALID_ENTITY'],
      [8, twice, 'success', null],
      [9, twice, 'skipped', 'DUPLICATE_ENTITY'],
      [11, cleared, 'success', null],
      [12, invalid, 'skipped', 'DUPLICATE_ENTITY'],
      [13, known, 'skipped', 'DUPLICATE_ENTITY'],
    ]);
    expect(result!.outcomes[0]!.ref).toBe('row 2');
    expect(result!.outcomes[2]!.message).toContain('email: expected an e-mail address');
    expect(result!.outcomes[2]!.message).toContain('shoeSize: unknown field');
    expect((await harness.contact(known))?.['lastName']).toBe('After');
    expect((await harness.contact(twice))?.['lastName']).toBe('After');
    expect((await harness.contact(invalid))?.version).toBe(1);
  });

  it('fails an entity without changes, unless config.set changes it', async () => {
    const [plain, set, own] = idsIn(1, 3, 'set') as [string, string, string];
    await harness.givenContacts([plain, set, own]);
    const [without, withSet] = [randomUUID(), randomUUID()];
    await harness.publish(
      { actionId: without, batchNo: 0, partition: 1, entities: [entity(0, plain, {})] },
      {
        actionId: withSet,
        batchNo: 0,
        partition: 1,
        config: { set: { ownerId: 'u7' } },
        entities: [entity(0, set, {}), entity(1, own, { ownerId: 'u8' })],
      },
    );
    const results = await harness.awaitResults(2, without, withSet);
    expect(results[0]!.outcomes[0]).toMatchObject({ status: 'failure', code: 'INVALID_ENTITY' });
    expect(results[1]!.outcomes.map(({ status }) => status)).toEqual(['success', 'success']);
    expect((await harness.contact(set))?.['ownerId']).toBe('u7');
    expect((await harness.contact(own))?.['ownerId']).toBe('u8');
  });

  it('fails a position whose fault intake has found, and does not count it as the first of its entity', async () => {
    const [known] = idsIn(2, 1, 'fault') as [string];
    await harness.givenContacts([known]);
    const actionId = randomUUID();
    const fault = { code: 'INVALID_ROW', message: 'line 2: expected 3 cells, found 2' };
    await harness.publish({
      actionId,
      batchNo: 0,
      partition: 2,
      entities: [
        { ...entity(0, '', {}), fault },
        { ...entity(1, known, { lastName: 'Faulty' }, 'row 3'), fault },
        entity(2, known, rename),
      ],
    });
    const [result] = await harness.awaitResults(1, actionId);
    expect(
      result?.outcomes.map(({ entityId, ref, code, message }) => [entityId, ref, code, message]),
    ).toEqual([
      ['', null, fault.code, fault.message],
      [known, 'row 3', fault.code, fault.message],
      [known, null, null, null],
    ]);
    expect(await harness.contact(known)).toMatchObject({ lastName: 'After', version: 2 });
  });

  it('recognises a duplicate in a later batch of the same action, but not in another action', async () => {
    const [id] = idsIn(2, 1, 'dup') as [string];
    await harness.givenContacts([id]);
    const [one, other] = [randomUUID(), randomUUID()];
    await harness.publish(
      { actionId: one, batchNo: 0, partition: 2, entities: [entity(0, id, { lastName: 'First' })] },
      { actionId: one, batchNo: 1, partition: 2, entities: [entity(9, id, { lastName: 'Second' })] },
      { actionId: other, batchNo: 0, partition: 2, entities: [entity(0, id, { lastName: 'Third' })] },
    );
    const results = await harness.awaitResults(3, one, other);
    expect(results.map(({ outcomes }) => outcomes[0]!.code)).toEqual([null, 'DUPLICATE_ENTITY', null]);
    expect(await harness.contact(id)).toMatchObject({ lastName: 'Third', version: 3 });
  });

  it('applies the actions of a lane to an entity in the order of their dispatch', async () => {
    const [id] = idsIn(0, 1, 'order') as [string];
    await harness.givenContacts([id]);
    const actions = Array.from({ length: 25 }, () => randomUUID());
    for (const [i, actionId] of actions.entries()) {
      await harness.publish({ actionId, batchNo: 0, partition: 0, entities: [entity(0, id, { score: i })] });
    }
    await harness.awaitResults(actions.length, ...actions);
    expect(await harness.contact(id)).toMatchObject({ score: 24, version: 26 });
  });

  it('drops the second copy of a batch that was published twice, also after later changes', async () => {
    const [id] = idsIn(1, 1, 'copy') as [string];
    await harness.givenContacts([id]);
    const [one, later] = [randomUUID(), randomUUID()];
    const batch = { actionId: one, batchNo: 0, partition: 1, entities: [entity(0, id, { lastName: 'One' })] };
    await harness.publish(
      batch,
      { actionId: later, batchNo: 0, partition: 1, entities: [entity(0, id, { lastName: 'Later' })] },
      batch,
      { actionId: later, batchNo: 1, partition: 1, entities: [entity(1, 'nobody', rename)] },
    );
    await harness.awaitResults(3, one, later);
    expect(await harness.resultsOf(one)).toHaveLength(1);
    expect(await harness.contact(id)).toMatchObject({ lastName: 'Later', version: 3 });
  });
});
