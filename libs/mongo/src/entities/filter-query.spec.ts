import { describe, expect, it } from '@jest/globals';
import { company, contact, defineEntityType, parseFilter, type EntityType } from '@bulk/action-types';
import { z } from 'zod';
import { afterPrefix, recordQuery, type RecordQuery } from './filter-query.ts';

function queryOf(sent: unknown, type: EntityType = contact): RecordQuery {
  const parsed = parseFilter(type, sent);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return recordQuery(type, 'acme', parsed.value);
}

describe('recordQuery', () => {
  it('matches living records of the account only', () => {
    expect(queryOf({}).filter).toEqual({
      accountId: 'acme',
      $and: [{ _id: { $gte: 'acme:', $lt: 'acme;' } }, { deletedAt: null }],
    });
    expect(queryOf({ ownerId: 'u' }).filter).toEqual({
      accountId: 'acme',
      $and: [{ deletedAt: null }, { ownerId: { $eq: 'u' } }],
    });
  });

  it('writes each value as the operand of an operator', () => {
    const { filter } = queryOf({
      city: 'Bonn',
      score: { gte: 1, lt: 5 },
      tags: { contains: 'vip' },
      email: { exists: true },
      phone: null,
      country: { in: ['DE', null] },
      name: { ne: 'x' },
    });
    expect((filter['$and'] as unknown[]).slice(2)).toEqual([
      { city: { $eq: 'Bonn' } },
      { score: { $gte: 1 } },
      { score: { $lt: 5 } },
      { tags: { $eq: 'vip' } },
      { email: { $ne: null } },
      { phone: { $eq: null } },
      { country: { $in: ['DE', null] } },
      { name: { $ne: 'x' } },
    ]);
  });

  it('reads the narrowest part of an index that a condition allows', () => {
    const accountAndOwner = { accountId: 1, ownerId: 1 };
    expect(queryOf({ city: 'Bonn', ownerId: { startsWith: 'u' }, email: 'a@b.de' })).toMatchObject({
      bounds: { accountId: 'acme', $and: [{ email: { $eq: 'a@b.de' } }] },
      hint: { accountId: 1, email: 1 },
      indexed: true,
    });
    expect(queryOf({ ownerId: { in: ['u', 'v'] } })).toMatchObject({ hint: accountAndOwner, indexed: true });
    expect(queryOf({ id: { startsWith: 'c-' }, city: 'Bonn' })).toMatchObject({
      bounds: {
        $and: [{ _id: { $gte: 'acme:c-', $lt: 'acme:c.' } }, { _id: { $gte: 'acme:', $lt: 'acme;' } }],
      },
      hint: { _id: 1 },
      indexed: true,
    });
  });

  it('counts what all conditions on the field of the index leave', () => {
    expect(queryOf({ ownerId: { gte: 'u', lt: 'v', ne: 'u1' }, city: 'Bonn' }).bounds).toEqual({
      accountId: 'acme',
      $and: [{ ownerId: { $gte: 'u' } }, { ownerId: { $lt: 'v' } }, { ownerId: { $ne: 'u1' } }],
    });
    expect(queryOf({ id: { gt: 'a', lte: 'b' } }).bounds).toEqual({
      $and: [
        { _id: { $gt: 'acme:a' } },
        { _id: { $lte: 'acme:b' } },
        { _id: { $gte: 'acme:', $lt: 'acme;' } },
      ],
    });
  });

  it('uses a unique index of several fields only if it contains every record that matches', () => {
    const seat = defineEntityType({
      name: 'seat',
      collection: 'seats',
      shape: { room: z.string(), row: z.number().optional() },
      indexes: [{ fields: ['room', 'row'], unique: true }],
    });
    for (const row of [undefined, null, { exists: true }, { ne: 1 }, { in: [1, null] }])
      expect(queryOf({ room: 'a', ...(row === undefined ? {} : { row }) }, seat).indexed).toBe(false);
    expect(queryOf({ room: 'a', row: { gte: 1 } }, seat)).toMatchObject({
      bounds: { accountId: 'acme', $and: [{ room: { $eq: 'a' } }] },
      hint: { accountId: 1, room: 1, row: 1 },
      indexed: true,
    });
  });

  it('reads all records of the account if no condition has an index', () => {
    const bounds = { $and: [{ _id: { $gte: 'acme:', $lt: 'acme;' } }] };
    // The unique index has no company without a domain.
    for (const sent of [
      { domain: null },
      { domain: { ne: 'x.de' } },
      { domain: { exists: true } },
      { domain: { in: ['x.de', null] } },
      { city: 'Bonn' },
    ])
      // prettier-ignore
      expect(queryOf(sent, company)).toMatchObject({ bounds, hint: { _id: 1 }, indexed: false });
    expect(queryOf({ domain: 'x.de' }, company)).toMatchObject({ hint: { accountId: 1, domain: 1 } });
  });
});

describe('afterPrefix', () => {
  it.each([
    ['abc', 'abd'],
    ['a\ud7ff', 'a\ue000'],
    ['a\u{10ffff}', 'b'],
    ['\u{1f600}', '\u{1f601}'],
    ['\u{10ffff}', undefined],
  ])('returns the end of the texts that start with %j', (prefix, end) => {
    expect(afterPrefix(prefix)).toBe(end);
  });
});
