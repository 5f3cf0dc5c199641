import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ACTION_HANDLERS,
  ActionRegistry,
  ENTITY_TYPES,
  type ActionContext,
  type BulkActionHandler,
} from '@bulk/action-types';
import type { BatchResult } from '@bulk/contracts';
import { success, type Entity } from '@bulk/domain';
import { z } from 'zod';
import { entity, HandlerHarness, idsIn, type GivenBatch } from './harness.ts';

/** An action type with an external effect, such as a mail. */
const seen: Pick<ActionContext, 'dryRun' | 'identity'>[] = [];
const notify: BulkActionHandler<Record<string, unknown>> = {
  actionType: 'notify',
  getConfigSchema: () => z.record(z.string(), z.unknown()),
  validatePayload: ({ config }) => Promise.resolve(config),
  processEntity: (_entity, _config, { dryRun, identity }) => {
    seen.push({ dryRun, identity });
    return Promise.resolve(success());
  },
};

let harness: HandlerHarness;
beforeAll(async () => {
  harness = await HandlerHarness.create();
  await harness.start(new ActionRegistry([...ACTION_HANDLERS, notify], ENTITY_TYPES));
});
afterAll(() => harness.installation.dispose());

const codesOf = (result: BatchResult | undefined): (string | null)[] | undefined =>
  result?.outcomes.map(({ code }) => code);

describe('a dry run', () => {
  const [one, two, three, gone, next] = idsIn(0, 5, 'dry') as [string, string, string, string, string];
  const cases: readonly [string, Entity[]][] = [
    [
      'update',
      [
        entity(0, one, { city: 'Bonn', expectedVersion: 1 }, 'row 0'),
        entity(1, two, { city: 'Bonn', expectedVersion: 9 }),
        entity(2, gone, { city: 'Bonn' }),
        entity(3, three, { email: 'nobody' }),
        entity(4, one, { city: 'Köln' }),
      ],
    ],
    ['create', [entity(0, next, { lastName: 'New' }), entity(1, one, { lastName: 'New' })]],
    ['upsert', [entity(0, two, { city: 'Bonn' }), entity(1, gone, { city: 'Bonn' })]],
    ['delete', [entity(0, three, {}), entity(1, gone, {}), entity(2, one, { expectedVersion: 44 })]],
  ];

  it('changes nothing and predicts what the action then does', async () => {
    await harness.givenContacts([one, two, three]);
    for (const [actionType, entities] of cases) {
      const before = await harness.contacts();
      const batch: GivenBatch = { actionId: randomUUID(), batchNo: 0, partition: 0, actionType, entities };
      await harness.publish({ ...batch, dryRun: true });
      const [foretold] = await harness.awaitResults(1, batch.actionId);
      expect(await harness.contacts()).toEqual(before);
      const real = { ...batch, actionId: randomUUID() };
      await harness.publish(real);
      const [done] = await harness.awaitResults(1, real.actionId);
      const after = await harness.contacts();
      expect(after).not.toEqual(before);
      // A dry run reads every entity, so it predicts versions that the action does not know.
      const versions = new Map(after.map(({ id, version }) => [id, version]));
      expect(foretold?.outcomes).toEqual(
        done?.outcomes.map((one) => ({
          ...one,
          version: one.status === 'success' ? versions.get(one.entityId) : null,
        })),
      );
    }
  });

  it('informs the action type that it is a dry run', async () => {
    const [dry, real] = [randomUUID(), randomUUID()];
    const batch = { batchNo: 0, partition: 0, actionType: 'notify', entities: [entity(0, one, {})] };
    await harness.publish({ ...batch, actionId: dry, dryRun: true }, { ...batch, actionId: real });
    await harness.awaitResults(2, dry, real);
    expect(seen.map(({ dryRun, identity }) => [identity.actionId, dryRun])).toEqual([
      [dry, true],
      [real, false],
    ]);
  });
});

describe('a batch of a cancelled or failing action', () => {
  it('skips every position without validation or changes', async () => {
    const [id] = idsIn(1, 1, 'cancel') as [string];
    await harness.givenContacts([id]);
    const before = await harness.contacts();
    const batches = ['update', 'delete', 'of-a-newer-version'].map((actionType): GivenBatch => ({
      actionId: randomUUID(),
      batchNo: 3,
      partition: 1,
      actionType,
      cancelled: true,
      failed: actionType === 'delete',
      entities: [
        entity(7, id, { city: 'Bonn' }, 'row 7'),
        entity(9, id, {}),
        entity(10, 'x', { email: 'nobody' }),
      ],
    }));
    await harness.publish(...batches);
    const results = await harness.awaitResults(3, ...batches.map(({ actionId }) => actionId));
    for (const result of results) {
      const code = result.actionType === 'delete' ? 'ACTION_FAILED' : 'ACTION_CANCELLED';
      expect(result.batchNo).toBe(3);
      expect(
        result.outcomes.map(({ position, entityId, ref, status, code }) => [
          position,
          entityId,
          ref,
          status,
          code,
        ]),
      ).toEqual([
        [7, id, 'row 7', 'skipped', code],
        [9, id, null, 'skipped', code],
        [10, 'x', null, 'skipped', code],
      ]);
    }
    expect(await harness.contacts()).toEqual(before);
  });

  it('is dropped when its first copy was published before the cancellation and has counted', async () => {
    const [id] = idsIn(2, 1, 'copies') as [string];
    await harness.givenContacts([id]);
    const batch: GivenBatch = {
      actionId: randomUUID(),
      batchNo: 0,
      partition: 2,
      entities: [entity(0, id, { city: 'Bonn' })],
    };
    const last = { ...batch, batchNo: 1, cancelled: true };
    await harness.publish(batch, { ...batch, cancelled: true }, last, last, { ...last, batchNo: 2 });
    const results = await harness.awaitResults(3, batch.actionId);
    expect(results.map(({ batchNo }) => batchNo)).toEqual([0, 1, 2]);
    expect(results.map(codesOf)).toEqual([[null], ['ACTION_CANCELLED'], ['ACTION_CANCELLED']]);
    expect(await harness.contact(id)).toMatchObject({ city: 'Bonn', version: 2 });
  });
});
