import { describe, expect, it } from '@jest/globals';
import type { EntityChange } from './entity-change.ts';
import { verdictOf, type EntityState } from './entity-verdict.ts';
import { SupersededError } from './errors.ts';

const scope = {
  at: { lane: 'normal', partition: 0, offset: 10 },
  entityType: { name: 'contact' },
} as const;
const patch = { entityId: 'e1', set: {}, unset: [] };
const update: EntityChange = { kind: 'update', ...patch };
const create: EntityChange = { kind: 'create', entityId: 'e1', set: {} };

function stored(more: Partial<EntityState> = {}): EntityState {
  return { version: 3, ...more };
}

function fence(offset: number): NonNullable<EntityState['fence']> {
  return { normal: { partition: 0, offset } };
}

describe('verdictOf', () => {
  it('reports a change as applied when the fence is of the same batch, whatever is stored', () => {
    const deleted = stored({ fence: fence(10), deletedAt: new Date(0) });
    expect(verdictOf(scope, update, deleted)).toEqual({ kind: 'applied', effect: 'updated' });
    const known = { ...update, expectedVersion: 3 };
    expect(verdictOf(scope, known, deleted)).toEqual({ kind: 'applied', effect: 'updated', version: 4 });
    expect(verdictOf(scope, create, stored({ fence: fence(10) }))).toEqual({
      kind: 'applied',
      effect: 'created',
    });
  });

  it('reports that this batch inserted the entity, or what its trail says', () => {
    const upsert: EntityChange = { kind: 'upsert', ...patch, record: {} };
    const born = (offset: number) =>
      stored({ fence: { normal: { partition: 0, offset: 10, born: offset } } });
    expect(verdictOf(scope, upsert, born(10))).toEqual({ kind: 'applied', effect: 'created', version: 1 });
    expect(verdictOf(scope, upsert, born(9))).toEqual({ kind: 'applied', effect: 'updated' });
    const trail = { effect: 'unchanged', version: 7 } as const;
    const read = stored({ fence: { normal: { partition: 0, offset: 10, trail } } });
    expect(verdictOf(scope, update, read)).toEqual({ kind: 'applied', ...trail });
  });

  it('finds a relative change that the same action made at another place', () => {
    const applied = [{ actionId: 'a1', effect: 'updated', version: 2 }] as const;
    const relative: EntityChange = { ...update, relative: { score: { kind: 'increment', by: 1 } } };
    const again = { ...scope, actionId: 'a1' };
    expect(verdictOf(again, relative, stored({ applied }))).toEqual({
      kind: 'applied',
      effect: 'updated',
      version: 2,
    });
    expect(verdictOf(again, update, stored({ applied }))).toBeUndefined();
    expect(verdictOf({ ...scope, actionId: 'a2' }, relative, stored({ applied }))).toBeUndefined();
  });

  it('skips a change that another position of the same chain of retries has made', () => {
    const trail = { effect: 'updated', version: 2 } as const;
    const made = stored({ applied: [{ actionId: 'a1', position: 0, ...trail }] });
    const relative: EntityChange = { ...update, relative: { score: { kind: 'increment', by: 7 } } };
    const at = (position: number): EntityChange => ({ ...relative, position });
    const again = { ...scope, actionId: 'a1' };
    const applied = { kind: 'applied', ...trail };
    expect(verdictOf(again, at(0), made)).toEqual(applied);
    expect(verdictOf(again, at(1), made)).toEqual({ kind: 'duplicate', position: 0 });
    // Neither an older intake nor the mark of an older handler names a position.
    expect(verdictOf(again, relative, made)).toEqual(applied);
    expect(verdictOf(again, at(1), stored({ applied: [{ actionId: 'a1', ...trail }] }))).toEqual(applied);
    expect(verdictOf({ ...scope, actionId: 'a2' }, at(1), made)).toBeUndefined();
    const overtaken = { ...made, fence: fence(11) };
    const superseded = (made?: object) => expect.objectContaining({ name: 'SupersededError', made });
    expect(() => verdictOf(again, at(0), overtaken)).toThrow(superseded(trail));
    expect(() => verdictOf(again, at(1), overtaken)).toThrow(superseded());
  });

  it('refuses a change of a record that was created, or deleted, after the one that is meant', () => {
    const [notAfter, earlier, later] = [new Date(5), new Date(5), new Date(6)];
    const living = { ...update, expectedVersion: 3, notAfter };
    const conflict = { kind: 'version-conflict', version: 3 };
    expect(verdictOf(scope, living, stored({ createdAt: earlier }))).toBeUndefined();
    expect(verdictOf(scope, living, stored())).toBeUndefined();
    expect(verdictOf(scope, living, stored({ createdAt: later }))).toEqual(conflict);
    const restore: EntityChange = { ...create, deletedVersion: 3, notAfter };
    expect(verdictOf(scope, restore, stored({ createdAt: earlier, deletedAt: earlier }))).toBeUndefined();
    expect(verdictOf(scope, restore, stored({ createdAt: earlier, deletedAt: later }))).toEqual(conflict);
  });

  it('fails with SupersededError if a later batch of the lane has changed the entity', () => {
    expect(() => verdictOf(scope, update, stored({ fence: fence(11) }))).toThrow(SupersededError);
  });

  it('says in the SupersededError what the same action did before, if the change is relative', () => {
    const applied = [{ actionId: 'a1', effect: 'updated', version: 2 }] as const;
    const relative: EntityChange = { ...update, relative: { score: { kind: 'increment', by: 1 } } };
    const overtaken = stored({ fence: fence(11), applied });
    const madeBy = (actionId: string, change: EntityChange) => {
      try {
        return verdictOf({ ...scope, actionId }, change, overtaken);
      } catch (error) {
        return error instanceof SupersededError ? error.made : error;
      }
    };
    expect(madeBy('a1', relative)).toEqual({ effect: 'updated', version: 2 });
    expect(madeBy('a2', relative)).toBeUndefined();
    expect(madeBy('a1', update)).toBeUndefined();
  });

  it('permits a valid change', () => {
    expect(verdictOf(scope, update, stored({ fence: fence(9) }))).toBeUndefined();
    expect(verdictOf(scope, create, undefined)).toBeUndefined();
    expect(verdictOf(scope, create, stored({ deletedAt: new Date(0) }))).toBeUndefined();
    const upsert: EntityChange = { kind: 'upsert', ...patch, record: {} };
    expect(verdictOf(scope, upsert, undefined)).toBeUndefined();
  });

  it('refuses to change an absent entity, to create an existing one, and to change another version', () => {
    expect(verdictOf(scope, update, undefined)).toEqual({ kind: 'not-found' });
    expect(verdictOf(scope, create, stored())).toEqual({ kind: 'exists' });
    expect(verdictOf(scope, { ...update, expectedVersion: 2 }, stored())).toEqual({
      kind: 'version-conflict',
      version: 3,
    });
  });
});
