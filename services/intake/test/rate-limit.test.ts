import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectRedis } from '@bulk/redis';
import { delay, silentLogger } from '@bulk/runtime';
import { BreakableLink, eventually, type InProcessService } from '@bulk/testing';
import { entitiesOf, IntakeHarness } from './harness.ts';

let harness: IntakeHarness;
beforeAll(async () => {
  harness = await IntakeHarness.create();
});
afterAll(() => harness.installation.dispose());

interface Limited {
  readonly status: number;
  readonly headers: Headers;
  readonly error: { code: string; details?: { limit: number; windowMs: number; retryAfterMs: number } };
}

/** An intake that counts the requests of an account. The requested action does not exist. */
interface Limiter {
  readonly service: InProcessService;
  readonly url: string;
  readonly ask: (account: string) => Promise<Limited>;
}

const PATIENT = { RATE_LIMIT_TIMEOUT_MS: '20000' };

async function start(env: Record<string, string>): Promise<Limiter> {
  const service = await harness.start(env);
  const { url } = harness;
  return { service, url, ask: (account) => get(`${url}/bulk-actions/${crypto.randomUUID()}`, account) };
}

async function get(url: string, account: string): Promise<Limited> {
  const response = await fetch(url, { headers: { 'x-account-id': account } });
  const body = (await response.json()) as { error: Limited['error'] };
  return { status: response.status, headers: response.headers, error: body.error };
}

let accounts = 0;
const newAccount = (): string => `account-${(accounts += 1)}`;
const PASSED = 404;

describe('the rate limit', () => {
  it('is shared by all instances and counts each account separately', async () => {
    const [one, two] = [
      await start({ ...PATIENT, RATE_LIMIT_MAX: '10' }),
      await start({ ...PATIENT, RATE_LIMIT_MAX: '10' }),
    ];
    const account = newAccount();
    for (let i = 0; i < 10; i += 1) {
      const { status, headers } = await (i % 2 === 0 ? one : two).ask(account);
      expect([status, headers.get('ratelimit-limit'), headers.get('ratelimit-remaining')]).toEqual([
        PASSED,
        '10',
        String(9 - i),
      ]);
      expect(Number(headers.get('ratelimit-reset'))).toBeGreaterThan(0);
      expect(Number(headers.get('ratelimit-reset'))).toBeLessThanOrEqual(61);
      expect(headers.get('retry-after')).toBeNull();
    }
    for (const intake of [one, two]) {
      const { status, headers, error } = await intake.ask(account);
      expect([status, error.code, headers.get('ratelimit-remaining')]).toEqual([429, 'RATE_LIMITED', '0']);
      expect(headers.get('content-type')).toContain('application/json');
      const { limit, windowMs, retryAfterMs } = error.details!;
      expect([limit, windowMs]).toEqual([10, 60_000]);
      expect(headers.get('retry-after')).toBe(String(Math.ceil(retryAfterMs / 1_000)));
      expect(headers.get('ratelimit-reset')).toBe(headers.get('retry-after'));
      expect((await intake.ask(newAccount())).status).toBe(PASSED);
    }
    const redis = await connectRedis(harness.config(), silentLogger());
    expect(await redis.zcard(`${harness.installation.env['REDIS_PREFIX']!}rate:${account}`)).toBe(10);
    redis.disconnect();
  });

  it('slides, so that each place is free one window after its own request', async () => {
    const { ask } = await start({ ...PATIENT, RATE_LIMIT_MAX: '5', RATE_LIMIT_WINDOW_MS: '4000' });
    const account = newAccount();
    const begin = Date.now();
    expect((await ask(account)).status).toBe(PASSED);
    await eventually('most of the window', () => Date.now() - begin >= 2_500);
    for (let i = 0; i < 4; i += 1) expect((await ask(account)).status).toBe(PASSED);
    const refused = await ask(account);
    expect(refused.status).toBe(429);
    expect(refused.error.details!.retryAfterMs).toBeLessThanOrEqual(2_501);

    await eventually('a place', async () => (await ask(account)).status === PASSED);
    expect(Date.now() - begin).toBeGreaterThanOrEqual(3_999);
    expect((await ask(account)).status).toBe(429);
  });

  it('admits a client that has waited as long as the answer said', async () => {
    const { ask } = await start({ ...PATIENT, RATE_LIMIT_MAX: '1', RATE_LIMIT_WINDOW_MS: '700' });
    const account = newAccount();
    for (let i = 0; i < 4; i += 1) {
      expect((await ask(account)).status).toBe(PASSED);
      const { status, headers, error } = await ask(account);
      expect(status).toBe(429);
      const seconds = Number(headers.get('retry-after'));
      expect(seconds).toBeGreaterThanOrEqual(1);
      await delay(i % 2 === 0 ? seconds * 1_000 : error.details!.retryAfterMs);
    }
    expect((await ask(account)).status).toBe(PASSED);
  });

  it("follows the account's own limit where one is configured", async () => {
    const { ask } = await start({
      ...PATIENT,
      RATE_LIMIT_MAX: '2',
      RATE_LIMIT_ACCOUNTS: 'small=1,large=4,free=0',
    });
    const passed = async (account: string): Promise<number> => {
      let count = 0;
      for (let i = 0; i < 8; i += 1) count += Number((await ask(account)).status === PASSED);
      return count;
    };
    expect(await passed('small')).toBe(1);
    expect(await passed('large')).toBe(4);
    expect(await passed(newAccount())).toBe(2);
    expect(await passed('free')).toBe(8);
    expect((await ask('free')).headers.get('ratelimit-limit')).toBeNull();
  });

  it('admits exactly its number of concurrent requests', async () => {
    const limits = { ...PATIENT, RATE_LIMIT_MAX: '50' };
    const intakes = [await start(limits), await start(limits)];
    const account = newAccount();
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => intakes[i % 2]!.ask(account).then(({ status }) => status)),
    );
    expect(answers.filter((status) => status === PASSED)).toHaveLength(50);
    expect(answers.filter((status) => status === 429)).toHaveLength(150);
  });

  it('is reported on every answer and refuses before the body is read', async () => {
    const { url } = await start({ ...PATIENT, RATE_LIMIT_MAX: '3' });
    const account = newAccount();
    const send = (body: string, headers: Record<string, string>) =>
      fetch(`${url}/bulk-actions`, { method: 'POST', body, headers });
    const json = { 'content-type': 'application/json', 'x-account-id': account };
    const accepted = await send(JSON.stringify({ actionType: 'update', entities: entitiesOf(1) }), json);
    expect([accepted.status, accepted.headers.get('ratelimit-remaining')]).toEqual([202, '2']);
    const faulty = await send('{', json);
    expect([faulty.status, faulty.headers.get('ratelimit-remaining')]).toEqual([400, '1']);
    const text = { 'content-type': 'text/plain', 'x-account-id': account };
    expect((await send('a', text)).status).toBe(415);
    expect((await send('a', text)).status).toBe(429);
    expect((await get(`${url}/nothing`, account)).headers.get('ratelimit-limit')).toBeNull();
  });

  it('counts once a request, by the account of the query or body when no header names one', async () => {
    const { url } = await start({ ...PATIENT, RATE_LIMIT_MAX: '4' });
    const account = newAccount();
    const body = JSON.stringify({ actionType: 'update', entities: entitiesOf(1), accountId: account });
    const post = (headers: Record<string, string> = {}) =>
      fetch(`${url}/bulk-actions`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', ...headers },
      });
    const read = () => fetch(`${url}/bulk-actions/${crypto.randomUUID()}?accountId=${account}`);
    const remaining = [await post(), await read(), await post({ 'x-account-id': account }), await read()].map(
      ({ headers }) => headers.get('ratelimit-remaining'),
    );
    expect(remaining).toEqual(['3', '2', '1', '0']);
    const before = await harness.traces();
    expect([(await post()).status, (await read()).status]).toEqual([429, 429]);
    expect(await harness.traces()).toEqual(before);
  });

  it('is off when it is 0, and then needs no Redis', async () => {
    const { ask, service } = await start({ RATE_LIMIT_MAX: '0', REDIS_URL: 'redis://127.0.0.1:1' });
    expect((await ask(newAccount())).headers.get('ratelimit-limit')).toBeNull();
    expect(service.context.health.healthy).toBe(true);
  });
});

describe('the rate limit while Redis is unavailable', () => {
  let link: BreakableLink;
  let throughLink: { REDIS_URL: string; RATE_LIMIT_MAX: string; RATE_LIMIT_TIMEOUT_MS: string };
  beforeAll(async () => {
    const redis = new URL(harness.installation.env['REDIS_URL']!);
    link = await BreakableLink.to(redis.hostname, Number(redis.port));
    harness.installation.onDispose(() => link.close());
    redis.host = `127.0.0.1:${link.port}`;
    throughLink = { REDIS_URL: redis.href, RATE_LIMIT_MAX: '3', RATE_LIMIT_TIMEOUT_MS: '1000' };
  });
  const limitIsKept = ({ ask }: Limiter): Promise<unknown> =>
    eventually('the limit', async () => {
      const account = newAccount();
      const statuses: number[] = [];
      for (let i = 0; i < 4; i += 1) statuses.push((await ask(account)).status);
      expect(statuses).toEqual([PASSED, PASSED, PASSED, 429]);
      return true;
    });

  it('admits requests when it is open, and applies again afterwards', async () => {
    const intake = await start(throughLink);
    await limitIsKept(intake);
    link.break();
    const account = newAccount();
    for (let i = 0; i < 6; i += 1) {
      const { status, headers } = await intake.ask(account);
      expect([status, headers.get('ratelimit-limit')]).toEqual([PASSED, null]);
    }
    expect(intake.service.context.health.healthy).toBe(true);
    link.restore();
    await limitIsKept(intake);
    expect(intake.service.failures).toEqual([]);
  });

  it('refuses requests when it is closed, reports that on /healthz, and recovers afterwards', async () => {
    const intake = await start({ ...throughLink, RATE_LIMIT_WHEN_REDIS_IS_AWAY: 'closed' });
    const { health } = intake.service.context;
    await limitIsKept(intake);
    expect(health.healthy).toBe(true);
    link.break();
    const { status, headers, error } = await intake.ask(newAccount());
    expect([status, error.code]).toEqual([503, 'RATE_LIMIT_UNAVAILABLE']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    await eventually('not healthy', () => !health.healthy);
    expect(health.report()).toMatchObject({ ready: true, components: { redis: { state: 'waiting' } } });
    link.restore();
    await eventually('healthy', () => health.healthy);
    await limitIsKept(intake);
    expect(intake.service.failures).toEqual([]);
  });

  it.each(['open', 'closed'] as const)('lets intake start (%s) and recovers', async (choice) => {
    link.break();
    const intake = await start({ ...throughLink, RATE_LIMIT_WHEN_REDIS_IS_AWAY: choice });
    expect(intake.service.context.health.ready).toBe(choice === 'open');
    expect((await intake.ask(newAccount())).status).toBe(choice === 'open' ? PASSED : 503);
    link.restore();
    await limitIsKept(intake);
    expect(intake.service.context.health.ready).toBe(true);
  });

  it('bounds the time for which a request waits for a Redis that hangs', async () => {
    const intake = await start({ ...throughLink, RATE_LIMIT_TIMEOUT_MS: '200' });
    await limitIsKept(intake);
    link.hang();
    const begin = Date.now();
    const { status, headers } = await intake.ask(newAccount());
    expect([status, headers.get('ratelimit-limit')]).toEqual([PASSED, null]);
    expect(Date.now() - begin).toBeGreaterThanOrEqual(190);
    expect(Date.now() - begin).toBeLessThan(5_000);
    link.break();
    link.restore();
    await limitIsKept(intake);
  });
});
