import { describe, expect, it } from '@jest/globals';
import type { ActionStats, LogSummary } from '@bulk/contracts';
import { expectationOf } from './expectation.ts';
import { differences } from './verify.ts';

const actionId = '01a20cf6-85b7-7973-aea4-596ec3a16788';
const expected = expectationOf(
  [
    { id: 'contact-1', score: 1 },
    { id: 'contact-1', score: 2 },
    { id: 'contact-9', score: 1 },
  ],
  1,
);
const right = { success: 1, failure: 1, skipped: 1 };
const stats: ActionStats = {
  ...right,
  actionId,
  status: 'completed',
  total: 3,
  processed: 3,
  percent: 100,
  rate: null,
  startedAt: null,
  finishedAt: null,
  eta: null,
  reason: null,
  effects: null,
};
const logs: LogSummary = {
  ...right,
  actionId,
  codes: { DUPLICATE_ENTITY: 1, ENTITY_NOT_FOUND: 1 },
  effects: null,
};

describe('differences', () => {
  it('are empty when counts, logs and file agree', () => {
    expect(differences(stats, logs, expected)).toEqual([]);
  });

  it('name a count that the file does not imply', () => {
    expect(differences({ ...stats, success: 2 }, { ...logs, success: 2 }, expected)).toEqual([
      'success: 2, and the file implies 1',
    ]);
  });

  it('name an unexpected code', () => {
    const surprising = { ...logs, codes: { ...logs.codes, DEAD_LETTERED: 1 } };
    expect(differences(stats, surprising, expected)).toEqual(['DEAD_LETTERED: 1, and the file implies 0']);
  });

  it('name counts that differ from the logs', () => {
    expect(differences(stats, { ...logs, skipped: 0 }, expected)).toEqual([
      'skipped: the counts say 1, the logs say 0',
    ]);
  });
});
