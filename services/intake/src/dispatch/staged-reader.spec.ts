import { describe, expect, it } from '@jest/globals';
import type { StagedBatch, WindowLimits } from './staged-batch.ts';
import { StagedReader } from './staged-reader.ts';

const batch = (batchNo: number, size = 1): StagedBatch => ({
  batchNo,
  partition: 0,
  entities: [{ position: batchNo, id: 'i', ref: null, fields: 'x'.repeat(size) }],
});
const BATCHES = 100;

/** Creates a reader of 100 batches that records its reads. */
function given(size = 1, held: StagedBatch[] = []) {
  const reads: number[] = [];
  const lengths: number[] = [];
  let failing = false;
  const reader = new StagedReader(
    {
      actionId: 'a',
      batchCount: BATCHES,
      extraBytes: 0,
      store: {
        readWindow: (_: string, from: number, { batches, bytes }: WindowLimits) => {
          reads.push(from);
          lengths.push(batches);
          if (failing) return Promise.reject(new Error('unavailable'));
          const fitting = Math.max(1, Math.floor(bytes / (size + 1)));
          const count = Math.min(batches, fitting, BATCHES - from);
          return Promise.resolve(Array.from({ length: count }, (_, i) => batch(from + i, size)));
        },
      },
    },
    held,
  );
  return { reader, reads, lengths, fail: (value: boolean) => (failing = value) };
}
const numbers = (batches: readonly StagedBatch[]): number[] => batches.map(({ batchNo }) => batchNo);
const ofUpTo = (batches: number, bytes = 1_000_000): WindowLimits => ({ batches, bytes });

describe('a reader of staged batches', () => {
  it('returns the batches in order without a read of their own when they were read ahead', async () => {
    const { reader, reads } = given();
    expect(numbers(await reader.take(0, ofUpTo(2)))).toEqual([0, 1]);
    reader.readAhead(2);
    expect(numbers(await reader.take(2, ofUpTo(3)))).toEqual([2, 3, 4]);
    reader.readAhead(5);
    expect(numbers(await reader.take(5, ofUpTo(1)))).toEqual([5]);
    expect(reads).toEqual([0, 2]);
  });

  it('starts with the batches in memory, and reads the batches that follow', async () => {
    const { reader, reads } = given(1, [batch(0), batch(1)]);
    expect(numbers(await reader.take(0, ofUpTo(10)))).toEqual([0, 1]);
    expect(numbers(await reader.take(2, ofUpTo(2)))).toEqual([2, 3]);
    expect(reads).toEqual([2]);
  });

  it('drops the batches in memory when the dispatch continues elsewhere', async () => {
    const { reader } = given();
    await reader.take(0, ofUpTo(1));
    reader.readAhead(1);
    expect(numbers(await reader.take(70, ofUpTo(2)))).toEqual([70, 71]);
    expect(numbers(await reader.take(3, ofUpTo(1)))).toEqual([3]);
  });

  it('keeps within the limit of bytes in memory and in each result', async () => {
    const { reader, reads } = given(100_000);
    reader.readAhead(1);
    expect(numbers(await reader.take(1, ofUpTo(10, 150_000)))).toEqual([1]);
    expect(numbers(await reader.take(2, ofUpTo(10)))).toEqual([2]);
    expect(reads).toEqual([1]);
  });

  it('reads no batches ahead that would not fit, and drops a batch that does not fit', async () => {
    const { reader, reads } = given(300_000);
    reader.readAhead(0);
    expect(numbers(await reader.take(0, ofUpTo(1)))).toEqual([0]);
    expect(reads).toEqual([0, 0]);
    reader.readAhead(1);
    expect(reads).toEqual([0, 0]);
  });

  it('reads again at the turn of the batches when reading ahead failed', async () => {
    const { reader, fail } = given();
    fail(true);
    reader.readAhead(1);
    await expect(reader.take(1, ofUpTo(1))).rejects.toThrow('unavailable');
    fail(false);
    expect(numbers(await reader.take(1, ofUpTo(1)))).toEqual([1]);
  });

  it('reads little beyond a window of large batches', async () => {
    const { reader, lengths } = given(400_000);
    await reader.take(0, ofUpTo(50));
    await reader.take(2, ofUpTo(50));
    expect(lengths).toEqual([50, 3]);
  });

  it('reads nothing ahead after the last batch', () => {
    const { reader, reads } = given();
    reader.readAhead(BATCHES);
    expect(reads).toEqual([]);
  });
});
