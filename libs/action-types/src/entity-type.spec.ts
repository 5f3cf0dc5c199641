import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { ENTITY_TYPES } from './catalog.ts';
import { defineEntityType, fieldIssues, pathText, type EntityTypeSource } from './entity-type.ts';

const deal = defineEntityType({
  name: 'deal',
  collection: 'deals',
  shape: { title: z.string().min(1), amount: z.number().min(0).optional() },
});

describe('defineEntityType', () => {
  it('sets given fields and clears an optional field that is null', () => {
    expect(deal.validatePatch({ title: 'A', amount: null })).toEqual({
      ok: true,
      value: { set: { title: 'A' }, unset: ['amount'] },
    });
  });

  it('refuses to clear a required field', () => {
    const result = deal.validatePatch({ title: null });
    expect(result.ok).toBe(false);
  });

  it('names every invalid field, and each unknown field separately', () => {
    const result = deal.validatePatch({ amount: 'much', colour: 'red', size: 1 });
    expect(result.ok ? [] : result.issues.map(({ field }) => field).sort()).toEqual([
      'amount',
      'colour',
      'size',
    ]);
  });

  it('requires every field of a record that is not optional', () => {
    expect(deal.recordSchema.safeParse({ amount: 1 }).success).toBe(false);
    expect(deal.recordSchema.safeParse({ title: 'A' }).success).toBe(true);
  });

  it('validates a whole record: null means absent, and absent required fields are named', () => {
    expect(deal.validateRecord({ title: 'A', amount: null })).toEqual({ ok: true, value: { title: 'A' } });
    expect(deal.validateRecord({ title: null, colour: null })).toEqual({
      ok: false,
      issues: [
        { field: 'title', message: 'required' },
        { field: 'colour', message: 'unknown field' },
      ],
    });
  });

  it('keeps the values of a list as its elements are parsed', () => {
    const task = defineEntityType({
      name: 'task',
      collection: 'tasks',
      shape: { labels: z.array(z.string().trim().toLowerCase().min(1)).optional() },
    });
    for (const kind of ['addToList', 'removeFromList'] as const) {
      expect(task.validateChanges({ [kind]: { labels: [' A', 'b '] } })).toEqual({
        ok: true,
        value: { set: {}, unset: [], relative: { labels: { kind, values: ['a', 'b'] } } },
      });
      const refused = task.validateChanges({ [kind]: { labels: ['a', ' '] } });
      expect(refused.ok ? [] : refused.issues.map(({ field }) => field)).toEqual([`${kind}.labels[1]`]);
    }
  });

  it('applies a default only to a new entity that does not name the field', () => {
    const task = defineEntityType({
      name: 'task',
      collection: 'tasks',
      shape: { title: z.string(), state: z.string().default('open') },
    });
    expect(task.validateRecord({ title: 'A' })).toEqual({ ok: true, value: { title: 'A', state: 'open' } });
    expect(task.validateRecord({ title: 'A', state: null })).toEqual({ ok: true, value: { title: 'A' } });
    expect(task.validatePatch({ title: 'A' })).toEqual({
      ok: true,
      value: { set: { title: 'A' }, unset: [] },
    });
  });

  it('requires one of a group of fields, and no change may clear them all', () => {
    const person = defineEntityType({
      name: 'person',
      collection: 'people',
      shape: { name: z.string().optional(), lastName: z.string().optional(), age: z.int().optional() },
      needsOneOf: [['name', 'lastName']],
    });
    expect(person.validateRecord({ name: 'A' })).toEqual({ ok: true, value: { name: 'A' } });
    expect(person.validateRecord({ lastName: 'A' })).toEqual({ ok: true, value: { lastName: 'A' } });
    expect(person.validateRecord({ age: 3, name: null })).toEqual({
      ok: false,
      issues: [{ field: 'name or lastName', message: 'required' }],
    });
    expect(person.validatePatch({ age: 3 }).ok).toBe(true);
    expect(person.validatePatch({ name: null, lastName: 'A' }).ok).toBe(true);
    expect(person.validatePatch({ name: null })).toEqual({
      ok: false,
      issues: [{ field: 'name', message: 'cannot be cleared unless the same change sets name or lastName' }],
    });
  });

  it('refuses a field called __proto__', () => {
    const sent = JSON.parse('{"title":"A","__proto__":{"amount":1}}') as Record<string, unknown>;
    const refused = { ok: false, issues: [{ field: '__proto__', message: 'unknown field' }] };
    expect(deal.validatePatch(sent)).toEqual(refused);
    expect(deal.validateRecord(sent)).toEqual(refused);
  });

  it.each(['_id', 'deletedAt', 'fence', 'accountId', 'ref', '$set', 'a.b', ''])(
    'refuses a field named "%s"',
    (field) => {
      const define = () => defineEntityType({ name: 'x', collection: 'xs', shape: { [field]: z.string() } });
      expect(define).toThrow(`"${field}" cannot be the name of a field`);
    },
  );
});

describe('match fields', () => {
  const define = (source: Partial<EntityTypeSource>) => () =>
    defineEntityType({
      name: 'x',
      collection: 'xs',
      shape: { code: z.string(), area: z.string() },
      matchFields: ['code'],
      ...source,
    });

  it('need an index of their own, which a lookup of many values can use', () => {
    expect(define({ indexes: [{ fields: ['code'] }] })().matchFields).toEqual(['code']);
    const fault = 'match field "code" needs an index of its own';
    expect(define({})).toThrow(fault);
    expect(define({ indexes: [{ fields: ['code', 'area'] }] })).toThrow(fault);
    expect(define({ shape: {}, indexes: [{ fields: ['code'] }] })).toThrow(fault);
  });

  it.each(ENTITY_TYPES.map((type) => [type.name, type] as const))(
    'of every %s include externalId, which is unique within the account',
    (_name, type) => {
      expect(type.matchFields).toContain('externalId');
      expect(type.indexes).toContainEqual({ fields: ['externalId'], unique: true });
      expect(type.validatePatch({ externalId: 'x'.repeat(256) }).ok).toBe(true);
      expect(type.validatePatch({ externalId: null })).toEqual({
        ok: true,
        value: { set: {}, unset: ['externalId'] },
      });
      for (const externalId of ['', 'x'.repeat(257), 'a\ud800', 7])
        expect(type.validatePatch({ externalId }).ok).toBe(false);
    },
  );
});

describe('fieldIssues', () => {
  it('writes the paths of fields as callers write them', () => {
    const schema = z.object({ entities: z.array(z.strictObject({ id: z.string() })) });
    const { error } = schema.safeParse({ entities: [{ id: 'a' }, { id: 1, x: 2 }] });
    expect(fieldIssues(error!).map(({ field }) => field)).toEqual(['entities[1].id', 'entities[1].x']);
    expect(pathText(['config', 'set', 'email'])).toBe('config.set.email');
  });
});
