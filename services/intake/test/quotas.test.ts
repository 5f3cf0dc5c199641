import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { StoredStatus } from '@bulk/domain';
import type { ActionDocument } from '@bulk/mongo';
import { silentLogger } from '@bulk/runtime';
import { BreakableLink, eventually } from '@bulk/testing';
import { uuidv7 } from 'uuidv7';
import type { QuotaLimits } from '../src/quotas/quota.ts';
import { Quotas, type QuotaClaim } from '../src/quotas/quotas.ts';
import { Janitor } from '../src/clean-up/janitor.ts';
import type { ActionDraft } from '../src/submission/staging-area.ts';
import { entitiesOf, IntakeHarness, type Answer } from './harness.ts';

let harness: IntakeHarness;
beforeAll(async () => {
  harness = await IntakeHarness.create();
});
afterAll(() => harness.installation.dispose());

type Env = Readonly<Record<string, string>>;
interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly details: { quota: string; limit: number; used: number; requested: number; retryAfterMs?: number };
}

/** The start of an action that is never dispatched: it stays as it is until a test ends it. */
const LATER = new Date(Date.now() + 86_400_000).toISOString();
const requestOf = (size: number) => ({
  actionType: 'update',
  entities: entitiesOf(size),
  scheduledFor: LATER,
});
let accounts = 0;
const newAccount = (): string => `account-${(accounts += 1)}`;

/** Starts an intake. @returns its URL. */
async function start(env: Env): Promise<string> {
  await harness.start({ STAGING_GROUP_BATCHES: '2', ...env });
  return harness.url;
}

async function send(url: string, account: string, size: number, headers: Env = {}): Promise<Answer> {
  harness.url = url;
  return harness.post(requestOf(size), { 'x-account-id': account, ...headers });
}

const refusalOf = ({ body }: Answer): Refusal => body.error as unknown as Refusal;
const quotaHeadersOf = ({ headers }: Answer): Record<string, string> =>
  Object.fromEntries([...headers].filter(([name]) => name.startsWith('quota-')));
const actionsOf = (accountId: string): Promise<ActionDocument[]> =>
  harness.database.actions.find({ accountId }).toArray();
const end = (accountId: string, status: StoredStatus = 'completed'): Promise<unknown> =>
  harness.database.actions.updateOne({ accountId, status: 'pending' }, { $set: { status } });

describe('a quota of work', () => {
  it('is off by default', async () => {
    const url = await start({});
    const account = newAccount();
    const answers = await Promise.all(Array.from({ length: 10 }, () => send(url, account, 100)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 202));
    expect(answers.map(quotaHeadersOf)).toEqual(Array.from({ length: 10 }, () => ({})));
    expect(await harness.database.accountQuotas.countDocuments({ _id: account })).toBe(0);
  });

  it.each([
    ['unfinished-actions', { QUOTA_UNFINISHED_ACTIONS: '7' }, 1],
    ['staged-bytes', { QUOTA_UNFINISHED_ACTIONS: '1000', QUOTA_STAGED_BYTES: '2100' }, 10],
    ['rows-per-day', { QUOTA_ROWS_PER_DAY: '70' }, 10],
  ] as const)(
    'admits exactly as many concurrent requests as there is room for at two intakes: %s',
    async (quota, env, size) => {
      const urls = [await start(env), await start(env)];
      const account = newAccount();
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, i) => send(urls[i % 2]!, account, size)),
      );
      const accepted = answers.filter(({ status }) => status === 202);
      const bytes = JSON.stringify(entitiesOf(10)).length - 11;
      expect(accepted).toHaveLength(quota === 'staged-bytes' ? Math.floor(2_100 / bytes) : 7);
      for (const answer of answers.filter(({ status }) => status !== 202)) {
        expect([answer.status, refusalOf(answer).code, refusalOf(answer).details.quota]).toEqual([
          429,
          'QUOTA_EXCEEDED',
          quota,
        ]);
      }
      expect(await actionsOf(account)).toHaveLength(accepted.length);
    },
  );

  it('reports its limit, its usage and when it is free again', async () => {
    const url = await start({
      QUOTA_UNFINISHED_ACTIONS: '3',
      QUOTA_STAGED_BYTES: '100000',
      QUOTA_ROWS_PER_DAY: '100',
    });
    const account = newAccount();
    const accepted = await send(url, account, 60);
    const entityBytes = entitiesOf(60).reduce((sum, entity) => sum + JSON.stringify(entity).length, 0);
    expect(quotaHeadersOf(accepted)).toEqual({
      'quota-unfinished-actions-limit': '3',
      'quota-unfinished-actions-remaining': '2',
      'quota-staged-bytes-limit': '100000',
      'quota-staged-bytes-remaining': String(100_000 - entityBytes),
      'quota-rows-per-day-limit': '100',
      'quota-rows-per-day-remaining': '40',
      'quota-rows-per-day-reset': expect.stringMatching(/^\d+$/),
    });
    const refused = await send(url, account, 41);
    const midnight = new Date().setUTCHours(24, 0, 0, 0);
    expect(refused.status).toBe(429);
    expect(refusalOf(refused).details).toMatchObject({ quota: 'rows-per-day', limit: 100, used: 60 });
    expect(refusalOf(refused).message).toMatch(
      /^the account may send 100 rows a day and has sent 60; this request needs at least 41; .* at \d{4}-\d\d-\d\dT00:00:00.000Z, in \d+ s$/,
    );
    const seconds = Number(refused.headers.get('retry-after'));
    expect(Math.abs(Date.now() + seconds * 1_000 - midnight)).toBeLessThan(10_000);
    expect(refused.headers.get('quota-rows-per-day-reset')).toBe(String(seconds));
    expect(refused.headers.get('quota-rows-per-day-remaining')).toBe('40');
    expect(refused.headers.get('quota-unfinished-actions-remaining')).toBe('2');
  });

  it('gives no retry time to a request that is larger than the whole quota', async () => {
    const url = await start({ QUOTA_ROWS_PER_DAY: '50' });
    const refused = await send(url, newAccount(), 51);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, null]);
    expect(refusalOf(refused).message).toContain('more than the whole quota: split it');
  });

  it('stops an upload at the row that exceeds it, keeps nothing and gives its rows back', async () => {
    const url = await start({ QUOTA_ROWS_PER_DAY: '250', QUOTA_UNFINISHED_ACTIONS: '100' });
    const account = newAccount();
    expect((await send(url, account, 100)).status).toBe(202);
    const before = await harness.traces();
    const rows = entitiesOf(900).map((entity) => `${JSON.stringify(entity)}\n`);
    const refused = await harness.upload('/bulk-actions?actionType=update', rows.join(''), {
      'content-type': 'application/x-ndjson',
      'x-account-id': account,
    });
    expect(refused.status).toBe(429);
    expect(refusalOf(refused).details).toMatchObject({ quota: 'rows-per-day', limit: 250, used: 100 });
    expect(refusalOf(refused).details.requested).toBeLessThan(300);
    expect(await harness.traces()).toEqual(before);
    expect((await send(url, account, 150)).headers.get('quota-rows-per-day-remaining')).toBe('0');
  });

  it('is given back when a request is refused', async () => {
    const url = await start({ QUOTA_ROWS_PER_DAY: '100', QUOTA_UNFINISHED_ACTIONS: '2' });
    const account = newAccount();
    const faulty = [...entitiesOf(90).map((entity) => JSON.stringify(entity)), '7'].join('\n');
    for (let i = 0; i < 4; i += 1) {
      const { status } = await harness.upload('/bulk-actions?actionType=update&invalidRows=refuse', faulty, {
        'content-type': 'application/x-ndjson',
        'x-account-id': account,
      });
      expect(status).toBe(400);
    }
    expect(quotaHeadersOf(await send(url, account, 100))).toMatchObject({
      'quota-unfinished-actions-remaining': '1',
      'quota-rows-per-day-remaining': '0',
    });
  });

  it.each(['completed', 'failed', 'cancelled'] as const)(
    'has room again when an action is %s, and its rows still count for the day',
    async (status) => {
      const url = await start({ QUOTA_UNFINISHED_ACTIONS: '2', QUOTA_ROWS_PER_DAY: '100' });
      const account = newAccount();
      expect((await send(url, account, 10)).status).toBe(202);
      expect((await send(url, account, 10)).status).toBe(202);
      const refused = await send(url, account, 10);
      expect([refused.status, refusalOf(refused).details.quota]).toEqual([429, 'unfinished-actions']);
      expect(refused.headers.get('retry-after')).toBeNull();
      expect(refusalOf(refused).message).toBe(
        'the account may have 2 unfinished actions and has 2; try again when one of them has ended, or cancel one',
      );
      await end(account, status);
      expect(quotaHeadersOf(await send(url, account, 10))).toMatchObject({
        'quota-unfinished-actions-remaining': '0',
        'quota-rows-per-day-remaining': '70',
      });
      expect((await send(url, account, 10)).status).toBe(429);
    },
  );

  it('has room again when the account cancels an action', async () => {
    const url = await start({ QUOTA_UNFINISHED_ACTIONS: '1' });
    const account = newAccount();
    const { body } = await send(url, account, 10);
    expect((await send(url, account, 10)).status).toBe(429);
    const path = `/bulk-actions/${String(body.data?.['actionId'])}/cancel`;
    expect((await harness.send('POST', path, { 'x-account-id': account })).status).toBe(200);
    await eventually('room', async () => (await send(url, account, 10)).status === 202);
  });

  it('counts a request with an Idempotency-Key once, and replays its answer when there is no room left', async () => {
    const url = await start({ QUOTA_UNFINISHED_ACTIONS: '1', QUOTA_ROWS_PER_DAY: '10' });
    const account = newAccount();
    const key = { 'idempotency-key': 'the-key' };
    const first = await send(url, account, 10, key);
    for (let i = 0; i < 3; i += 1) {
      const again = await send(url, account, 10, key);
      expect([again.status, again.body.data?.['actionId']]).toEqual([202, first.body.data?.['actionId']]);
    }
    expect((await send(url, account, 10)).status).toBe(429);
    expect((await harness.database.accountQuotas.findOne({ _id: account }))?.rows).toBe(10);
  });

  it('is separate for each account', async () => {
    const url = await start({ QUOTA_UNFINISHED_ACTIONS: '1' });
    const [one, other] = [newAccount(), newAccount()];
    expect((await send(url, one, 1)).status).toBe(202);
    expect((await send(url, one, 1)).status).toBe(429);
    expect((await send(url, other, 1)).status).toBe(202);
  });

  it('counts actions that were accepted before it was configured', async () => {
    const account = newAccount();
    const before = await start({});
    for (let i = 0; i < 2; i += 1) expect((await send(before, account, 1)).status).toBe(202);
    const url = await start({ QUOTA_UNFINISHED_ACTIONS: '3' });
    expect((await send(url, account, 1)).status).toBe(202);
    expect((await send(url, account, 1)).status).toBe(429);
    await end(account);
    expect((await send(url, account, 1)).status).toBe(202);
  });

  it('is kept while Redis is unavailable, since MongoDB counts it', async () => {
    const redis = new URL(harness.installation.env['REDIS_URL']!);
    const link = await BreakableLink.to(redis.hostname, Number(redis.port));
    harness.installation.onDispose(() => link.close());
    redis.host = `127.0.0.1:${link.port}`;
    const env = { QUOTA_UNFINISHED_ACTIONS: '2', REDIS_URL: redis.href, RATE_LIMIT_TIMEOUT_MS: '200' };
    const url = await start(env);
    const account = newAccount();
    expect((await send(url, account, 1)).status).toBe(202);
    link.break();
    expect([(await send(url, account, 1)).status, (await send(url, account, 1)).status]).toEqual([202, 429]);
    await end(account);
    expect((await send(url, account, 1)).status).toBe(202);
    link.restore();
  });

  it('reports its refusals as a metric', async () => {
    const url = await start({ QUOTA_ROWS_PER_DAY: '1' });
    expect((await send(url, newAccount(), 2)).status).toBe(429);
    const text = await (await fetch(`http://127.0.0.1:${harness.adminPort}/metrics`)).text();
    expect(text).toMatch(/^bulk_quota_refusals_total\{.*quota="rows-per-day".*\} 1$/m);
  });
});

describe('quotas after a crash', () => {
  let now = new Date('2026-11-25T23:00:00Z');
  const limits: QuotaLimits = { 'unfinished-actions': 2, 'staged-bytes': 10_000, 'rows-per-day': 100 };

  function quotasOf(some: QuotaLimits): Quotas {
    const { database } = harness;
    const none = (): void => undefined;
    return new Quotas({
      database,
      limits: some,
      now: () => now,
      monotonic: () => now.getTime(),
      onRefused: none,
      log: silentLogger(),
    });
  }

  const draftOf = (accountId: string, actionId: string): ActionDraft => ({
    identity: { actionId, accountId, actionType: 'update', entityType: 'contact', lane: 'normal' },
    config: {},
    dryRun: false,
    scheduledFor: null,
    retryOf: null,
  });

  /** Stages an upload whose process dies, so that it is never decided. */
  async function dyingUpload(quotas: Quotas, accountId: string, rows: number): Promise<void> {
    const actionId = uuidv7();
    const endless = (async function* () {
      yield* entitiesOf(rows);
      await new Promise(() => undefined);
    })();
    const claim = quotas.claim(accountId, actionId);
    void harness.staging(() => now).stage(draftOf(accountId, actionId), endless, undefined, claim);
    await eventually('its rows are counted', async () => {
      const found = await harness.database.accountQuotas.findOne({ _id: accountId });
      return (found?.holds[actionId]?.bytes ?? 0) > 0;
    });
  }

  /**
   * Opens the claim of an upload.
   *
   * @returns the claim, and the acceptance of its action by a process that dies right after it.
   */
  async function openClaim(
    quotas: Quotas,
    accountId: string,
  ): Promise<{ claim: QuotaClaim; accept: () => Promise<unknown> }> {
    const { _id } = await harness.accepted(uuidv7(), 1, new Date(LATER), { accountId });
    const to = (status: StoredStatus) => harness.database.actions.updateOne({ _id }, { $set: { status } });
    await to('staging');
    const claim = quotas.claim(accountId, _id);
    await claim.open();
    return { claim, accept: () => to('pending') };
  }

  it('keep the room of an upload exactly until the janitor has removed it', async () => {
    const accountId = newAccount();
    const quotas = quotasOf(limits);
    await dyingUpload(quotas, accountId, 60);
    const { claim, accept } = await openClaim(quotas, accountId);
    await expect(claim.add(60, 600)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });

    const later = (): Date => new Date(now.getTime() + 3_600_000);
    await accept();
    const janitor = new Janitor(
      harness.database,
      { stagingTimeoutMs: 0, stagedRetentionMs: 86_400_000_000, lateWriteMs: 0, now: later },
      silentLogger(),
    );
    await janitor.sweep();
    await janitor.sweep();
    await claim.add(60, 600);
    expect(await harness.database.accountQuotas.findOne({ _id: accountId })).toMatchObject({
      actions: 1,
      bytes: 600,
      rows: 60,
    });
  });

  it('count the rows of an accepted action once when its hold was not removed', async () => {
    const accountId = newAccount();
    const quotas = quotasOf({ 'rows-per-day': 100 });
    const first = await openClaim(quotas, accountId);
    await first.claim.add(60, 600);
    await first.accept();
    const second = await openClaim(quotas, accountId);
    await expect(second.claim.add(41, 410)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    await second.claim.add(40, 400);
    expect(await harness.database.accountQuotas.findOne({ _id: accountId })).toMatchObject({
      actions: 1,
      bytes: 400,
      rows: 100,
    });
  });

  it('free the rows of a day at midnight UTC, also for an upload that started before', async () => {
    const accountId = newAccount();
    const quotas = quotasOf(limits);
    const { claim } = await openClaim(quotas, accountId);
    await claim.add(100, 1_000);
    const refusal = { code: 'QUOTA_EXCEEDED', retryAfterSeconds: undefined };
    await expect(claim.add(1, 10)).rejects.toMatchObject(refusal);
    now = new Date('2026-11-26T00:00:00Z');
    await claim.add(90, 900);
    expect(claim.states).toContainEqual({
      quota: 'rows-per-day',
      limit: 100,
      used: 90,
      resetsAt: new Date('2026-11-27T00:00:00Z'),
    });
    // The clock of another instance is behind: the day never goes back.
    now = new Date('2026-11-25T23:59:59Z');
    await claim.add(10, 100);
    await expect(claim.add(1, 10)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
  });
});

describe('the quota of an account with many unfinished actions', () => {
  it('searches for ended actions once for concurrent refused requests, and once more a little later', async () => {
    const { database } = harness;
    const accountId = newAccount();
    const MANY = 1_000;
    const model = await harness.accepted(uuidv7(), 1, new Date(LATER), { accountId });
    await database.actions.insertMany(
      Array.from({ length: MANY - 1 }, () => ({ ...model, _id: uuidv7() })),
      { ordered: false },
    );
    let elapsedMs = 0;
    const quotas = new Quotas({
      database,
      limits: { 'unfinished-actions': MANY },
      now: () => new Date(),
      monotonic: () => elapsedMs,
      onRefused: () => undefined,
      log: silentLogger(),
    });
    const open = (): Promise<void> => quotas.claim(accountId, uuidv7()).open();
    const refused = async (times: number): Promise<number> => {
      const finds = jest.spyOn(database.actions, 'find');
      const results = await Promise.allSettled(Array.from({ length: times }, open));
      expect(results.map(({ status }) => status)).toEqual(results.map(() => 'rejected'));
      const { length } = finds.mock.calls;
      finds.mockRestore();
      return length;
    };
    // The first one adopts the actions; from then on there are holds to look at.
    await refused(1);
    // A look is two queries, or a few more: not two for each request.
    expect(await refused(20)).toBeLessThanOrEqual(4);
    expect(await refused(20)).toBe(0);
    await database.actions.updateOne({ _id: model._id }, { $set: { status: 'completed' } });
    elapsedMs += 500;
    await open();
  });
});
