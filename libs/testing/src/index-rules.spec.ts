import { describe, expect, it } from '@jest/globals';
import { isIndexed } from './index-rules.ts';

const INDEXES = [
  { key: { _id: 1 } },
  { key: { account: 1, status: 1 } },
  { key: { status: 1 }, partialFilterExpression: { status: 'staging' } },
  { key: { due: 1 }, partialFilterExpression: { due: { $exists: true } } },
];

describe('isIndexed', () => {
  it.each([
    [{ _id: 'a', whatever: 1 }],
    [{ _id: { $in: ['a'] } }],
    [{ account: 'a', status: { $ne: 'x' } }],
    [{ $and: [{ other: 1 }, { account: { $gte: 'a' } }] }],
    [{ status: 'staging' }],
    [{ due: { $lte: new Date(0) } }],
  ])('returns true for %j', (filter) => {
    expect(isIndexed(filter, INDEXES)).toBe(true);
  });

  it.each([
    [{}],
    [{ other: 1 }],
    [{ status: 'queued' }],
    [{ status: { $in: ['staging', 'queued'] } }],
    [{ account: { $ne: 'a' } }],
    [{ account: { $exists: true } }],
    [{ $or: [{ account: 'a' }, { other: 1 }] }],
    [{ due: null }],
    [{ due: { $ne: null } }],
  ])('returns false for %j', (filter) => {
    expect(isIndexed(filter, INDEXES)).toBe(false);
  });
});
