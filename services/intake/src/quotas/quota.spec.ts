import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '@bulk/runtime';
import { z } from 'zod';
import { checkQuotaConfig, quotaConfigShape, quotaLimitsOf } from './quota-config.ts';
import { QuotaExceededError } from './quota-exceeded-error.ts';
import { dayOf, exceededBy, NOTHING, statesOf } from './quota.ts';

const limits = { 'unfinished-actions': 5, 'staged-bytes': 1_000, 'rows-per-day': 100 };
const usage = { actions: 5, bytes: 900, rows: 90, day: '2026-12-31' };
const now = new Date('2026-12-31T23:59:00.500Z');

describe('the quotas of an account', () => {
  it('include only configured quotas and exclude what the request itself holds', () => {
    expect(statesOf({ 'rows-per-day': 100 }, usage, { ...NOTHING, 'rows-per-day': 30 })).toEqual([
      { quota: 'rows-per-day', limit: 100, used: 60, resetsAt: new Date('2027-01-01T00:00:00Z') },
    ]);
    expect(statesOf({}, usage)).toEqual([]);
  });

  it.each([
    [{ ...NOTHING, 'rows-per-day': 10 }, undefined],
    [{ ...NOTHING, 'rows-per-day': 11 }, 'rows-per-day'],
    [{ ...NOTHING, 'staged-bytes': 100 }, undefined],
    [{ ...NOTHING, 'staged-bytes': 101, 'rows-per-day': 11 }, 'staged-bytes'],
    [{ ...NOTHING, 'unfinished-actions': 1 }, 'unfinished-actions'],
    [NOTHING, undefined],
  ])('have room for %j unless the exceeded quota is %s', (more, exceeded) => {
    expect(exceededBy(limits, usage, more)).toBe(exceeded);
  });

  it('count days in UTC', () => {
    expect(dayOf(new Date('2026-11-25T23:30:00-02:00'))).toBe('2026-11-26');
  });
});

describe('the refusal for a quota', () => {
  const refusal = (quota: keyof typeof limits, requested: number): QuotaExceededError => {
    const states = statesOf(limits, usage);
    const state = states.find((one) => one.quota === quota)!;
    return new QuotaExceededError(state, requested, states, now);
  };

  it('says when a daily quota is free again, rounded up to a second', () => {
    const { message, retryAfterSeconds, details } = refusal('rows-per-day', 11);
    expect(retryAfterSeconds).toBe(60);
    expect(details).toEqual({
      quota: 'rows-per-day',
      limit: 100,
      used: 90,
      requested: 11,
      retryAfterMs: 60_000,
    });
    expect(message).toBe(
      'the account may send 100 rows a day and has sent 90; this request needs at least 11; the quota is free again at 2027-01-01T00:00:00.000Z, in 60 s',
    );
  });

  it('says what frees room when no time can be given', () => {
    const { message, retryAfterSeconds } = refusal('staged-bytes', 200);
    expect(retryAfterSeconds).toBeUndefined();
    expect(message).toBe(
      'the account may have 1000 bytes of entities in its unfinished actions and has 900; this request needs at least 200; try again when an action has ended, or cancel one',
    );
  });

  it('asks to split a request that is larger than the quota', () => {
    const { message, retryAfterSeconds } = refusal('rows-per-day', 101);
    expect(retryAfterSeconds).toBeUndefined();
    expect(message).toContain(
      'this request needs at least 101, which is more than the whole quota: split it',
    );
  });
});

describe('the settings of quotas', () => {
  const schema = z.object(quotaConfigShape).superRefine(checkQuotaConfig);

  it('are off by default', () => {
    expect(quotaLimitsOf(loadConfig(schema, {}))).toBeUndefined();
    expect(quotaLimitsOf(loadConfig(schema, { QUOTA_ROWS_PER_DAY: '7' }))).toEqual({ 'rows-per-day': 7 });
  });

  it('refuse a quota of bytes without a quota of actions', () => {
    expect(() => loadConfig(schema, { QUOTA_STAGED_BYTES: '5000' })).toThrow(
      /QUOTA_STAGED_BYTES.*expected QUOTA_UNFINISHED_ACTIONS as well/,
    );
    const both = loadConfig(schema, { QUOTA_STAGED_BYTES: '5000', QUOTA_UNFINISHED_ACTIONS: '3' });
    expect(quotaLimitsOf(both)).toEqual({ 'staged-bytes': 5_000, 'unfinished-actions': 3 });
  });
});
