import { describe, expect, it } from '@jest/globals';
import { MalformedMessageError, type BatchResult } from '@bulk/contracts';
import { endPosition, toBatchLog } from './batch-log.ts';

type Outcome = BatchResult['outcomes'][number];
const outcome = (position: number, more: Partial<Outcome> = {}): Outcome => ({
  position,
  entityId: `e${position}`,
  ref: null,
  status: 'success',
  code: null,
  message: null,
  attempts: 1,
  effect: null,
  version: null,
  changes: null,
  ...more,
});
const result = (outcomes: Outcome[]): BatchResult => ({
  resultId: 'a:3',
  actionId: 'a',
  accountId: 'acme',
  actionType: 'update',
  entityType: 'contact',
  batchNo: 3,
  generation: 0,
  source: { topic: 'lane', partition: 2, offset: 40 },
  outcomes,
  processedAt: 1_700_000_000_000,
});
const source = { partition: 1, offset: 7 };

describe('toBatchLog', () => {
  it('counts the outcomes and keeps the positions of the batch in its lane and of the result in its topic', () => {
    const failed = outcome(9, { status: 'failure', code: 'ENTITY_NOT_FOUND', message: 'm' });
    const log = toBatchLog(result([outcome(4), failed]), source);
    expect(log).toMatchObject({ batchNo: 3, lanePartition: 2, source, at: new Date(1_700_000_000_000) });
    expect(log.tally).toEqual({ success: 1, failure: 1, skipped: 0, codes: { ENTITY_NOT_FOUND: 1 } });
    expect(endPosition(log)).toBe(10);
  });

  it.each([
    ['no outcomes', []],
    ['a position twice', [outcome(4), outcome(4)]],
    ['positions that descend', [outcome(5), outcome(4)]],
    ['a negative position', [outcome(-1)]],
    ['a failure without a code', [outcome(1, { status: 'failure' })]],
    ['a code that could not be a key', [outcome(1, { status: 'failure', code: 'a.b', message: 'm' })]],
  ])('refuses %s', (_what, outcomes) => {
    expect(() => toBatchLog(result(outcomes), source)).toThrow(MalformedMessageError);
  });

  it('keeps the generation, and refuses an impossible one', () => {
    expect(toBatchLog({ ...result([outcome(1)]), generation: 2 }, source).generation).toBe(2);
    expect(() => toBatchLog({ ...result([outcome(1)]), generation: -1 }, source)).toThrow(
      MalformedMessageError,
    );
  });
});
