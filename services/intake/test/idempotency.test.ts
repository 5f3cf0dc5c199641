import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { IdempotencyKeys } from '../src/submission/idempotency.ts';
import { entitiesOf, IntakeHarness, type Answer } from './harness.ts';

let harness: IntakeHarness;
beforeAll(async () => {
  harness = await IntakeHarness.create();
  await harness.start();
});
afterAll(() => harness.installation.dispose());

const request = { actionType: 'update', entities: entitiesOf(30) };
const withKey = (key: string, body: unknown = request, more: Record<string, string> = {}): Promise<Answer> =>
  harness.post(body, { 'idempotency-key': key, ...more });
const actionsNow = (): Promise<number> => harness.database.actions.countDocuments({});

describe('Idempotency-Key', () => {
  it('returns the same action for the same request, however often it comes', async () => {
    const key = randomUUID();
    const first = await withKey(key);
    expect(first.status).toBe(202);
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    const before = await harness.traces();
    const again = await withKey(key);
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
    expect(again.body.data?.['actionId']).toBe(first.body.data?.['actionId']);
    expect(await harness.traces()).toEqual(before);
  });

  it('refuses another request with a used key with 409 and names the action', async () => {
    const key = randomUUID();
    const { body } = await withKey(key);
    const before = await harness.traces();
    const other = await withKey(key, { ...request, entities: entitiesOf(31) });
    expect(other).toMatchObject({
      status: 409,
      body: { error: { code: 'IDEMPOTENCY_KEY_REUSED', details: { actionId: body.data?.['actionId'] } } },
    });
    expect(await harness.traces()).toEqual(before);
  });

  it('is scoped to its account', async () => {
    const key = randomUUID();
    const mine = await withKey(key);
    const theirs = await withKey(key, request, { 'x-account-id': 'globex' });
    expect([mine.status, theirs.status]).toEqual([202, 202]);
    expect(theirs.body.data?.['actionId']).not.toBe(mine.body.data?.['actionId']);
  });

  it('admits one of many concurrent requests', async () => {
    const key = randomUUID();
    const before = await actionsNow();
    const answers = await Promise.all(Array.from({ length: 12 }, () => withKey(key)));
    const accepted = new Set(
      answers.filter(({ status }) => status === 202).map(({ body }) => body.data?.['actionId']),
    );
    expect(accepted.size).toBe(1);
    for (const { status, body } of answers.filter((one) => one.status !== 202)) {
      expect([status, body.error?.code]).toEqual([409, 'IDEMPOTENCY_IN_PROGRESS']);
    }
    expect(await actionsNow()).toBe(before + 1);
    expect((await withKey(key)).body.data?.['actionId']).toBe([...accepted][0]);
  });

  it('is free again after a refused request', async () => {
    const key = randomUUID();
    const big = { ...request, entities: [...entitiesOf(30), { id: 'big', notes: 'x'.repeat(3_000) }] };
    expect((await withKey(key, big)).status).toBe(400);
    expect((await withKey(key)).status).toBe(202);
  });

  it('passes from a dead upload to the next request, and the dead upload can never be accepted', async () => {
    const key = randomUUID();
    const { database } = harness;
    const now = new Date();
    const dead = await harness.accepted(randomUUID(), 5, new Date('2999-01-01T00:00:00Z'));
    await database.actions.updateOne(
      { _id: dead._id },
      { $set: { status: 'staging', idempotency: { key, digest: null }, updatedAt: now } },
    );
    expect((await withKey(key)).body.error?.code).toBe('IDEMPOTENCY_IN_PROGRESS');
    const ahead = new IdempotencyKeys(database, {
      staleMs: 1_000,
      lateWriteMs: 30_000,
      now: () => new Date(now.getTime() + 2_000),
    });
    expect(await ahead.find('acme', key)).toBeUndefined();
    expect(await database.actions.findOne({ _id: dead._id })).toMatchObject({
      status: 'staging',
      uploadClaim: { reason: 'superseded' },
    });
    expect((await withKey(key)).status).toBe(202);
  });

  it.each(['', 'with space', 'ü', 'x'.repeat(256)])('is refused when it is %j', async (key) => {
    const response = await fetch(`${harness.url}/bulk-actions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-account-id': 'acme', 'idempotency-key': key },
      body: JSON.stringify(request),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { details: [{ field: 'idempotency-key' }] } });
  });
});
