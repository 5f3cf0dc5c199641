import { describe, expect, it } from '@jest/globals';
import type { CountedAction } from '../accounting/action-counts.ts';
import { KnownActions } from '../accounting/known-actions.ts';
import { CountingPace } from './counting-pace.ts';

const INTERVAL_MS = 20;

function paceAt(
  nowMs: number,
  ...counted: (readonly [_id: string, batchesLeft: number, countedAt: number])[]
) {
  const known = new KnownActions(10);
  for (const [_id, left, countedAt] of counted) {
    const action = { _id, batchCount: left + 5, countedBatches: 5 } as CountedAction;
    known.keep({ action, countedAt });
  }
  return new CountingPace({ known, intervalMs: INTERVAL_MS, chunkSize: 50, now: () => nowMs });
}

const messages = (...ids: string[]) => ids.map((id) => ({ key: Buffer.from(id) }));

describe('CountingPace', () => {
  it('makes a chunk wait for the rest of the interval when its action has many batches left', () => {
    expect(paceAt(107.5, ['large', 1_000, 100]).restMs(messages('large', 'large'))).toBe(13);
  });

  it.each([
    ['the interval is over', paceAt(120, ['large', 1_000, 100]), messages('large')],
    ['the action was not counted lately', paceAt(101), messages('large')],
    ['the action is near its end', paceAt(101, ['small', 33, 100]), messages('small')],
    [
      'the chunk holds a result of an idle action',
      paceAt(101, ['large', 1_000, 100]),
      messages('large', 'idle'),
    ],
    ['the chunk is full', paceAt(101, ['large', 1_000, 100]), messages(...Array<string>(50).fill('large'))],
    ['a message has no key', paceAt(101, ['large', 1_000, 100]), [{ key: null }]],
  ])('makes a chunk wait for nothing when %s', (_, pace, chunk) => {
    expect(pace.restMs(chunk)).toBe(0);
  });

  it('makes a chunk of several actions wait until the first of them is due', () => {
    const pace = paceAt(110, ['a', 1_000, 100], ['b', 1_000, 95]);
    expect(pace.restMs(messages('a', 'b'))).toBe(5);
  });
});
