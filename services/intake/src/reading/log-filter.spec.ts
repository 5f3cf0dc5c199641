import { describe, expect, it } from '@jest/globals';
import { countOf, findsSuccesses, type LogFilter } from './log-filter.ts';

const tally = {
  success: 4,
  failure: 5,
  skipped: 3,
  codes: { ENTITY_NOT_FOUND: 3, OWN: 2, DUPLICATE_ENTITY: 2, ACTION_CANCELLED: 1 },
};

describe('countOf', () => {
  it.each<[LogFilter, number]>([
    [{}, 12],
    [{ type: 'success', code: ['OWN'] }, 0],
    [{ code: ['DUPLICATE_ENTITY', 'ENTITY_NOT_FOUND'] }, 5],
    [{ type: 'failure', code: ['DUPLICATE_ENTITY', 'ENTITY_NOT_FOUND'] }, 3],
    [{ type: 'skipped', code: ['DUPLICATE_ENTITY', 'ENTITY_NOT_FOUND'] }, 2],
    [{ type: 'failure', code: ['ACTION_CANCELLED'] }, 0],
    [{ type: 'failure', code: ['OWN', 'OWN'] }, 2],
  ])('counts for %j the outcomes whose code can have the type: %i', (filter, expected) => {
    expect(countOf(filter, tally)).toBe(expected);
  });
});

describe('findsSuccesses', () => {
  it.each<[LogFilter, boolean]>([
    [{}, true],
    [{ type: 'success', id: 'c1' }, true],
    [{ type: 'failure' }, false],
    [{ code: ['OWN'] }, false],
  ])('is %j: %s, so that changes are read only where a success can match', (filter, expected) => {
    expect(findsSuccesses(filter)).toBe(expected);
  });
});
