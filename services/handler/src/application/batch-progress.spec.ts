import { describe, expect, it } from '@jest/globals';
import { MAX_BATCH_CHANGES_BYTES, success } from '@bulk/domain';
import { BatchProgress } from './batch-progress.ts';

const MARK = '{"changesTruncated":true}';
const textOf = (value: string): string => JSON.stringify({ before: { city: value }, after: {} });

describe('BatchProgress', () => {
  it('holds changes only up to the bound of a batch, from the moment in which they are settled', () => {
    const progress = new BatchProgress();
    const half = textOf('x'.repeat(MAX_BATCH_CHANGES_BYTES / 2));
    for (const at of [0, 1, 2]) progress.settle(at, success('updated', 2, half));
    progress.settle(3, success('updated', 2, textOf('x')));
    const kept = [half, MARK, MARK, textOf('x')];
    expect(progress.changes().map(([, text]) => text)).toEqual(kept);
    const again = BatchProgress.from(progress.snapshot(), progress.effects(), progress.changes());
    again.settle(4, success('updated', 2, half));
    expect(again.changes().map(([, text]) => text)).toEqual([...kept, MARK]);
  });
});
