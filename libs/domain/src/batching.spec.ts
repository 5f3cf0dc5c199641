import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Batcher, routingIdOf, type Batch, type BatcherOptions } from './batching.ts';
import { partitionOf } from './routing.ts';

const options = fc.record(
  {
    entityType: fc.constantFrom('contact', 'lead'),
    partitions: fc.integer({ min: 1, max: 9 }),
    batchSize: fc.integer({ min: 1, max: 7 }),
    maxBatchBytes: fc.integer({ min: 1, max: 12 }),
  },
  { requiredKeys: ['entityType', 'partitions', 'batchSize'] },
);
/** An entity's size, for these tests. */
const sizeOf = ({ id }: { id: string }): number => id.length;
const ids = fc.array(fc.stringMatching(/^[a-z]{0,3}$/), { maxLength: 200 });

function batchesOf(list: readonly string[], o: BatcherOptions): Batch[] {
  const batcher = new Batcher(o);
  const closed = list.flatMap(
    (id, position) => batcher.add({ position, id, ref: null, fields: {} }, sizeOf({ id })) ?? [],
  );
  const all = [...closed, ...batcher.flush()];
  expect(batcher.batchCount).toBe(all.length);
  expect(batcher.flush()).toEqual([]);
  return all;
}

describe('Batcher', () => {
  it('puts each position into exactly one batch', () => {
    fc.assert(
      fc.property(ids, options, (list, o) => {
        const positions = batchesOf(list, o).flatMap((batch) =>
          batch.entities.map(({ position }) => position),
        );
        expect(positions.sort((a, b) => a - b)).toEqual(list.map((_, i) => i));
      }),
    );
  });

  it('keeps an entity in its partition, and batches within their size and never empty', () => {
    fc.assert(
      fc.property(ids, options, (list, o) => {
        for (const { partition, entities } of batchesOf(list, o)) {
          expect(entities.length).toBeGreaterThan(0);
          expect(entities.length).toBeLessThanOrEqual(o.batchSize);
          const bytes = entities.reduce((sum, entity) => sum + sizeOf(entity), 0);
          if (entities.length > 1) expect(bytes).toBeLessThanOrEqual(o.maxBatchBytes ?? bytes);
          for (const row of entities) {
            expect(partitionOf(o.entityType, routingIdOf(row), o.partitions)).toBe(partition);
            // A row without an id concerns no entity, and its position spreads it.
            const key = row.id === '' ? String(row.position) : row.id;
            expect(partitionOf(o.entityType, key, o.partitions)).toBe(partition);
          }
        }
      }),
    );
  });

  it('numbers batches from 0 without a gap, with ascending positions in each partition', () => {
    fc.assert(
      fc.property(ids, options, (list, o) => {
        const batches = batchesOf(list, o);
        expect(batches.map(({ batchNo }) => batchNo)).toEqual(batches.map((_, i) => i));
        for (let partition = 0; partition < o.partitions; partition += 1) {
          const positions = batches
            .filter((batch) => batch.partition === partition)
            .flatMap(({ entities }) => entities.map(({ position }) => position));
          expect(positions).toEqual([...positions].sort((a, b) => a - b));
        }
      }),
    );
  });
});
