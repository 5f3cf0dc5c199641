import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { defineEntityType } from '../entity-type.ts';
import { contact } from '../entity-types/contact/contact.ts';
import { parseFilter } from './parse-filter.ts';

const issuesOf = (filter: unknown, type = contact): { field: string; message: string }[] => {
  const parsed = parseFilter(type, filter);
  return parsed.ok ? [] : parsed.issues;
};
const fieldsOf = (filter: unknown): string[] => issuesOf(filter).map(({ field }) => field);

describe('parseFilter', () => {
  it('returns one condition for each operator of each field', () => {
    expect(
      parseFilter(contact, {
        ownerId: 'user-1',
        status: { in: ['active', null] },
        score: { gte: 10, lt: 50 },
        updatedAt: { lt: '2026-01-01T01:00:00+01:00' },
        tags: { contains: 'vip' },
        city: null,
        email: { exists: true, ne: 'ada@example.com' },
        id: { startsWith: 'contact-' },
        version: 3,
      }),
    ).toEqual({
      ok: true,
      value: [
        { field: 'ownerId', operator: 'eq', value: 'user-1' },
        { field: 'status', operator: 'in', values: ['active', null] },
        { field: 'score', operator: 'gte', value: 10 },
        { field: 'score', operator: 'lt', value: 50 },
        { field: 'updatedAt', operator: 'lt', value: new Date('2026-01-01T00:00:00Z') },
        { field: 'tags', operator: 'contains', value: 'vip' },
        { field: 'city', operator: 'eq', value: null },
        { field: 'email', operator: 'exists', value: true },
        { field: 'email', operator: 'ne', value: 'ada@example.com' },
        { field: 'id', operator: 'startsWith', value: 'contact-' },
        { field: 'version', operator: 'eq', value: 3 },
      ],
    });
  });

  it.each<[string, unknown, string]>([
    ['no object', 'ownerId', 'filter'],
    ['a list', [], 'filter'],
    ['an unknown field', { shoeSize: 43 }, 'filter.shoeSize'],
    ['the account as a field', { accountId: 'other' }, 'filter.accountId'],
    ['a field of the platform', { deletedAt: null }, 'filter.deletedAt'],
    ['an unknown operator', { score: { near: 3 } }, 'filter.score.near'],
    ['an operator of MongoDB', { name: { $ne: null } }, 'filter.name.$ne'],
    ['an operator of MongoDB as a field', { $where: 'sleep(1000)' }, 'filter.$where'],
    ['a path into a field', { 'tags.0': 'vip' }, 'filter.tags.0'],
    ['a method of every object as a field', { constructor: 'x' }, 'filter.constructor'],
    ['a method of every object as an operator', { name: { toString: 'x' } }, 'filter.name.toString'],
    ['a prototype as a field', JSON.parse('{"__proto__":{"name":"x"}}'), 'filter.__proto__'],
    ['a prototype as an operator', JSON.parse('{"name":{"__proto__":"x"}}'), 'filter.name.__proto__'],
    ['a nested object', { name: { eq: { $gt: '' } } }, 'filter.name.eq'],
    ['an object in a list of values', { name: { in: ['x', { $gt: '' }] } }, 'filter.name.in[1]'],
    ['a list of values without an operator', { status: ['active'] }, 'filter.status'],
    ['no operator', { status: {} }, 'filter.status'],
    ['an empty in', { status: { in: [] } }, 'filter.status.in'],
    ['a single value for in', { status: { in: 'active' } }, 'filter.status.in'],
    ['a value that the field cannot have', { status: { in: ['active', 'asleep'] } }, 'filter.status.in[1]'],
    ['a text for a number', { score: '50' }, 'filter.score'],
    ['a number for a text', { city: { startsWith: 1 } }, 'filter.city.startsWith'],
    ['an empty start', { city: { startsWith: '' } }, 'filter.city.startsWith'],
    ['an order of a list', { tags: { gt: 'a' } }, 'filter.tags.gt'],
    ['equality of a list', { tags: 'vip' }, 'filter.tags'],
    ['contains for a text', { city: { contains: 'Bo' } }, 'filter.city.contains'],
    ['null as an element', { tags: { contains: null } }, 'filter.tags.contains'],
    ['null as a bound', { score: { lt: null } }, 'filter.score.lt'],
    ['a text for exists', { city: { exists: 'true' } }, 'filter.city.exists'],
    ['an instant without an offset', { createdAt: { lt: '2026-01-01T00:00:00' } }, 'filter.createdAt.lt'],
    ['a lone surrogate', { city: '\ud800' }, 'filter.city'],
  ])('names the place if the filter has %s', (_, filter, field) => {
    expect(fieldsOf(filter)).toEqual([field]);
  });

  it('names every fault of a filter', () => {
    expect(
      issuesOf({ shoeSize: 1, status: { in: ['a', 'active', 'b'] }, score: { above: 1, lt: 'x' } }),
    ).toEqual([
      { field: 'filter.shoeSize', message: 'unknown field' },
      { field: 'filter.status.in[0]', message: expect.stringContaining('active') },
      { field: 'filter.status.in[2]', message: expect.stringContaining('active') },
      {
        field: 'filter.score.above',
        message: 'unknown operator; expected one of eq, ne, in, lt, lte, gt, gte, exists',
      },
      { field: 'filter.score.lt', message: 'expected a number' },
    ]);
  });

  it('refuses more conditions or values than its bounds', () => {
    const fields = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`f${i}`, i]));
    const many = defineEntityType({
      name: 'many',
      collection: 'many',
      shape: Object.fromEntries(Object.keys(fields).map((field) => [field, z.number()])),
    });
    expect(issuesOf(fields, many)).toEqual([{ field: 'filter', message: 'expected at most 20 conditions' }]);
    const values = (n: number): number[] => Array.from({ length: n }, (_, i) => i % 100);
    expect(fieldsOf({ score: { in: values(1_001) } })).toEqual(['filter.score.in']);
    expect(fieldsOf({ score: { in: values(999) }, age: { in: values(2) } })).toEqual(['filter']);
    expect(fieldsOf({ score: { in: values(1_000) } })).toEqual([]);
    expect(fieldsOf({ city: 'x'.repeat(1_001) })).toEqual(['filter.city']);
    const texts = (n: number): string[] => Array.from({ length: n }, () => 'x'.repeat(997));
    expect(issuesOf({ id: { in: texts(65) } })).toEqual([]);
    const tooLarge = [{ field: 'filter', message: 'expected at most 65536 bytes of JSON' }];
    expect(issuesOf({ id: { in: texts(66) } })).toEqual(tooLarge);
    const deep: unknown = JSON.parse('{"a":'.repeat(2_000) + '1' + '}'.repeat(2_000));
    expect(issuesOf({ city: deep })).toEqual(tooLarge);
  });

  it('takes only operators that fit the kind of a field', () => {
    const type = defineEntityType({
      name: 'kinds',
      collection: 'kinds',
      shape: {
        open: z.boolean(),
        choice: z.union([z.literal('a'), z.literal(1)]).optional(),
        address: z.strictObject({ city: z.string() }).optional(),
        numbers: z.array(z.number()).default([]),
      },
    });
    expect(issuesOf({ open: true, choice: { in: ['a', 1] }, address: { exists: false }, numbers: { contains: 1 } }, type)).toEqual([]); // prettier-ignore
    expect(issuesOf({ open: { gt: false } }, type)).toHaveLength(1);
    expect(issuesOf({ choice: 'b' }, type)).toHaveLength(1);
    expect(issuesOf({ address: { city: 'Bonn' } }, type)).toEqual([
      { field: 'filter.address.city', message: 'unknown operator; expected one of exists' },
    ]);
    expect(issuesOf({ numbers: { contains: '1' } }, type)).toHaveLength(1);
  });
});
