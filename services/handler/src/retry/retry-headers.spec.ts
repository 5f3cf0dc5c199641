import { describe, expect, it } from '@jest/globals';
import { MAX_BATCH_CHANGES_BYTES, success } from '@bulk/domain';
import { BatchProgress } from '../application/batch-progress.ts';
import { decodeRetryHeaders, encodeRetryHeaders, type Postponed } from './retry-headers.ts';

const MARK = '{"changesTruncated":true}';
const textOf = (value: string): string => JSON.stringify({ before: { city: value }, after: {} });

describe('the headers of a batch in a retry topic', () => {
  it('hold changes up to the bound in the form in which the header holds them', () => {
    const progress = new BatchProgress();
    progress.attempts = 1;
    const quotes = textOf('"'.repeat(MAX_BATCH_CHANGES_BYTES / 4));
    progress.settle(0, success('updated', 2, quotes));
    progress.settle(1, success('updated', 2, textOf('x')));
    const message = {
      topic: 'lane',
      partition: 0,
      offset: 7,
      key: Buffer.from('a1'),
      value: Buffer.from('batch'),
      headers: {},
    } as Postponed['message'];
    const postponed: Postponed = {
      message,
      postponed: 1,
      firstTriedAt: 1,
      notBefore: 2,
      progress: progress.snapshot(),
      effects: progress.effects(),
      changes: progress.changes(),
    };
    expect(postponed.changes.map(([, text]) => text)).toEqual([quotes, textOf('x')]);
    const headers = encodeRetryHeaders(postponed);
    expect(Buffer.byteLength(String(headers['retry-changes']))).toBeLessThan(MAX_BATCH_CHANGES_BYTES);
    expect(decodeRetryHeaders({ ...message, headers })).toEqual({
      ...postponed,
      changes: [
        [0, MARK],
        [1, textOf('x')],
      ],
    });
  });
});
