import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { AnsweringStore, process } from '../../test/answering-store.ts';
import { defineEntityType } from '../entity-type.ts';
import { contact } from '../entity-types/contact/contact.ts';
import { planChange } from './entity-fields.ts';
import { UpsertHandler } from './upsert.ts';

const handler = new UpsertHandler();

describe('UpsertHandler', () => {
  it('passes on both the change and the new record', async () => {
    const store = new AnsweringStore();
    await process(handler, { set: { ownerId: 'u7' } }, { c1: { lastName: 'A', city: null } }, store);
    expect(store.changes[0]).toEqual({
      kind: 'upsert',
      entityId: 'c1',
      set: { ownerId: 'u7', lastName: 'A' },
      unset: ['city'],
      record: { ownerId: 'u7', lastName: 'A' },
      expectedVersion: undefined,
    });
  });

  it('creates an absent entity with the values that its changes lead to from nothing', async () => {
    const store = new AnsweringStore();
    const config = { increment: { score: 2 }, addToList: { tags: ['a', 'a'] } };
    await process(handler, config, { c1: { lastName: 'A', unset: ['city'] } }, store);
    expect(store.changes[0]).toMatchObject({
      set: { lastName: 'A' },
      unset: ['city'],
      record: { lastName: 'A', score: 2, tags: ['a'] },
    });
  });

  it('creates an entity without the fields that its changes clear, also those with a default', () => {
    const task = defineEntityType({
      name: 'task',
      collection: 'tasks',
      shape: {
        title: z.string(),
        state: z.string().default('open'),
        labels: z.array(z.string().trim()).optional(),
      },
    });
    const own = { title: 'A', unset: ['state'], addToList: { labels: [' a', 'a'] } };
    const { patch, fields } = planChange(own, {}, task);
    expect(patch).toMatchObject({ ok: true, value: { unset: ['state'] } });
    expect(task.validateRecord(fields)).toEqual({ ok: true, value: { title: 'A', labels: ['a'] } });
  });

  it('creates nothing when a required field is missing or a version is expected', async () => {
    const store = new AnsweringStore();
    await process(handler, {}, { c1: { score: 1 }, c2: { lastName: 'A', expectedVersion: 2 } }, store);
    expect(store.changes.slice(0, 2)).toEqual([
      expect.objectContaining({ entityId: 'c1', record: null, expectedVersion: undefined }),
      expect.objectContaining({ entityId: 'c2', record: null, expectedVersion: 2 }),
    ]);
  });

  it('says why an entity that does not exist was not created', async () => {
    const store = new AnsweringStore({
      c1: { kind: 'not-found' },
      c2: { kind: 'not-found' },
      c3: { kind: 'version-conflict', version: 9 },
    });
    const sent = {
      c1: { score: 1 },
      c2: { lastName: 'A', expectedVersion: 2 },
      c3: { lastName: 'A', expectedVersion: 2 },
    };
    const outcomes = await process(handler, {}, sent, store);
    expect(outcomes.map(({ code, message }) => [code, message])).toEqual([
      ['INVALID_ENTITY', 'no contact has this id, and it cannot be created: name or lastName: required'],
      ['VERSION_CONFLICT', 'expected version 2, and no contact has this id'],
      ['VERSION_CONFLICT', 'expected version 2, and the contact has version 9'],
    ]);
  });

  it('fails for an invalid entity whether it exists or not', async () => {
    const store = new AnsweringStore();
    const sent = { c1: { lastName: null }, c2: { email: 'nobody', expectedVersion: 0 }, c3: {} };
    const outcomes = await process(handler, {}, sent, store);
    expect(outcomes.map(({ code }) => code)).toEqual(outcomes.map(() => 'INVALID_ENTITY'));
    expect(outcomes[1]?.message).toContain('expectedVersion: ');
    expect(outcomes[1]?.message).toContain('email: ');
    expect(store.changes).toEqual([]);
  });

  it('accepts fields and an expected version as known fields', () => {
    expect(handler.unknownFields(['id', 'email', 'expectedVersion', 'x'], contact)).toEqual(['x']);
  });
});
