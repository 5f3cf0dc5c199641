import { describe, expect, it } from '@jest/globals';
import type { EntityChange } from './entity-change.ts';
import { boundedChanges, clippedChanges, parseEntityChanges, type KeepChanges } from './kept-changes.ts';
import { resolveChange, type ResolveScope, type StoredEntity } from './resolve-change.ts';

const scope = (changes?: KeepChanges): ResolveScope => ({
  at: { lane: 'normal', partition: 0, offset: 7 },
  entityType: {
    name: 'contact',
    recordSchema: { shape: { lastName: 1, city: 1, score: 1, born: 1 } },
    validatePatch: (set) => ({ ok: true, value: { set } }),
  },
  changes,
});
const values: KeepChanges = { kept: 'values', maxBytes: 1_000 };
const stored: StoredEntity = { version: 3, lastName: 'A', score: 2, foreign: 'x' };
const update = (set: Record<string, unknown>, unset: string[] = []): EntityChange => ({
  kind: 'update',
  entityId: 'c1',
  set,
  unset,
});

function kept(keep: KeepChanges | undefined, change: EntityChange, before?: StoredEntity): unknown {
  const resolved = resolveChange(scope(keep), change, before);
  if (resolved.kind !== 'write') return resolved.result;
  return resolved.changes === undefined ? undefined : parseEntityChanges(resolved.changes);
}

describe('what a resolved change keeps', () => {
  it('is the value before and after of each changed field, with null for an absent one', () => {
    const change: EntityChange = {
      ...update({ lastName: 'B', city: 'Bonn' }, ['born']),
      relative: { score: { kind: 'increment', by: 5 } },
    } as EntityChange;
    expect(kept(values, change, { ...stored, born: '1990' })).toEqual({
      before: { lastName: 'A', city: null, score: 2, born: '1990' },
      after: { lastName: 'B', city: 'Bonn', score: 7, born: null },
    });
    expect(kept({ ...values, kept: 'fields' }, update({ lastName: 'A', city: 'Bonn' }), stored)).toEqual({
      fields: ['city'],
    });
  });

  it('is the whole record of the entity type when it is created or deleted', () => {
    const set = { lastName: 'A', score: 2 };
    expect(kept(values, { kind: 'create', entityId: 'c1', set })).toEqual({ before: {}, after: set });
    expect(kept(values, { kind: 'delete', entityId: 'c1' }, stored)).toEqual({ before: set, after: {} });
  });

  it('is nothing when nothing changed, or when nothing is to be kept', () => {
    expect(kept(values, update({ lastName: 'A' }, ['city']), stored)).toBeUndefined();
    expect(kept(undefined, update({ lastName: 'B' }), stored)).toBeUndefined();
  });

  it('is a mark with the names of the fields if the values are too large or no JSON', () => {
    const mark = (...fields: string[]) => ({ fields, changesTruncated: true });
    expect(kept({ ...values, maxBytes: 100 }, update({ city: '€'.repeat(40) }), stored)).toEqual(
      mark('city'),
    );
    expect(kept(values, update({ born: 'x' }), { ...stored, born: new Date(0) })).toEqual(mark('born'));
    expect(kept({ ...values, maxBytes: 20 }, update({ city: 'x'.repeat(40) }), stored)).toEqual({
      changesTruncated: true,
    });
  });

  it('is bounded in a batch and in a mark, in the order of the positions', () => {
    const text = JSON.stringify({ fields: ['city'] });
    const mark = '{"changesTruncated":true}';
    expect(boundedChanges([text, undefined, text, text], 2 * text.length)).toEqual([
      text,
      undefined,
      text,
      mark,
    ]);
    expect([clippedChanges(text, 100), clippedChanges(text, 5)]).toEqual([text, mark]);
  });
});

describe('a change that restores a deleted record', () => {
  const restore: EntityChange = { kind: 'create', entityId: 'c1', set: { lastName: 'A' }, deletedVersion: 4 };
  it.each<[string, StoredEntity | undefined, unknown]>([
    ['writes', { version: 4, deletedAt: new Date(0) }, { kind: 'write', effect: 'created', version: 5 }],
    [
      'does not write',
      { version: 6, deletedAt: new Date(0) },
      { result: { kind: 'version-conflict', version: 6 } },
    ],
    ['does not write', { version: 4, lastName: 'B' }, { result: { kind: 'version-conflict', version: 4 } }],
    ['does not write', undefined, { result: { kind: 'not-found' } }],
  ])('%s over %j', (_what, before, expected) => {
    expect(resolveChange(scope(), restore, before)).toMatchObject(expected as object);
  });
});
