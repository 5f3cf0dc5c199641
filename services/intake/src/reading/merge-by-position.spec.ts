import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mergeByPosition } from './merge-by-position.ts';

interface Item {
  readonly position: number;
}

/**
 * Positions dealt to sources. Each source is cut into buckets, some of them empty, as a filter
 * leaves them.
 */
const dealt = fc.record({
  owners: fc.array(fc.nat(4), { maxLength: 150 }),
  bucketSize: fc.integer({ min: 1, max: 7 }),
  after: fc.integer({ min: -1, max: 160 }),
});

function bucketsOf(owners: readonly number[], owner: number, size: number): Item[][] {
  const own = owners.flatMap((of, position) => (of === owner ? [{ position }] : []));
  const buckets: Item[][] = [[]];
  for (let i = 0; i < own.length; i += size) buckets.push(own.slice(i, i + size), []);
  return buckets;
}

async function* reading(
  buckets: readonly Item[][],
  onRead: () => void = () => undefined,
): AsyncGenerator<Item[]> {
  for (const bucket of buckets) {
    onRead();
    yield await Promise.resolve(bucket);
  }
}

async function positions(merged: AsyncIterable<Item>, limit = Number.POSITIVE_INFINITY): Promise<number[]> {
  const seen: number[] = [];
  for await (const { position } of merged) {
    seen.push(position);
    if (seen.length >= limit) break;
  }
  return seen;
}

describe('mergeByPosition', () => {
  it('yields every item after a position once, in ascending order', async () => {
    await fc.assert(
      fc.asyncProperty(dealt, async ({ owners, bucketSize, after }) => {
        const sources = [0, 1, 2, 3, 4].map((owner) => reading(bucketsOf(owners, owner, bucketSize)));
        const expected = owners.map((_, position) => position).filter((position) => position > after);
        expect(await positions(mergeByPosition(sources, after))).toEqual(expected);
      }),
    );
  });

  it('yields every item before a position once, in descending order', async () => {
    await fc.assert(
      fc.asyncProperty(dealt, async ({ owners, bucketSize, after }) => {
        const sources = [0, 1, 2, 3, 4].map((owner) => {
          const buckets = bucketsOf(owners, owner, bucketSize).map((bucket) => bucket.reverse());
          return reading(buckets.reverse());
        });
        const expected = owners.map((_, position) => position).filter((position) => position < after);
        expect(await positions(mergeByPosition(sources, after, -1))).toEqual(expected.reverse());
      }),
    );
  });

  it('reads no further than requested and closes every source', async () => {
    const all = Array.from({ length: 1_000 }, (_, position) => [{ position }]);
    let read = 0;
    let closed = 0;
    const source = async function* (): AsyncGenerator<Item[]> {
      try {
        yield* reading(all, () => (read += 1));
      } finally {
        closed += 1;
      }
    };
    expect(await positions(mergeByPosition([source()]), 10)).toHaveLength(10);
    expect(read).toBeLessThanOrEqual(11);
    expect(closed).toBe(1);
  });

  it('yields nothing when there are no sources', async () => {
    expect(await positions(mergeByPosition([]))).toEqual([]);
  });
});
