import { RestError } from '@bulk/contracts';
import type { Redis } from '@bulk/redis';
import type { Logger } from '@bulk/runtime';
import type { Context, Middleware } from 'koa';
import rateLimit from 'koa-ratelimit';

export interface RateLimitOptions {
  readonly redis: Redis;
  /** Prefix of every key. */
  readonly prefix: string;
  /** Maximum number of requests of an account per window; 0: no limit. */
  readonly max: number;
  /** Limits of single accounts in place of `max`. */
  readonly accounts: ReadonlyMap<string, number>;
  readonly windowMs: number;
  readonly whenAway: 'open' | 'closed';
  /** Called for each request that is refused. */
  readonly onLimited: () => void;
  readonly log: Logger;
}

/** The state in which koa-ratelimit's middleware finds a request's account. */
interface LimitedState {
  limitedAccount: string;
}

const HEADERS = { total: 'RateLimit-Limit', remaining: 'RateLimit-Remaining', reset: 'RateLimit-Reset' };
/** koa-ratelimit's clock starts at a whole millisecond, so it may be late by this time, in ms. */
const CLOCK_LAG_MS = 1;

/**
 * Limits the requests of each account by a sliding-window log in Redis, shared by all instances.
 *
 * koa-ratelimit counts in one atomic step. This class adds what the library lacks: a limit per
 * account, a choice for outages of Redis, `RateLimit-Reset` as a time to wait instead of a date,
 * and a `Retry-After` after which a request passes (the library rounds its own down). A refused
 * request does not count. The clocks of the instances must agree, because an entry has the time of
 * its instance.
 */
export class RateLimit {
  readonly #options: RateLimitOptions;
  readonly #byLimit = new Map<number, Middleware>();
  #away = false;

  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  /**
   * Counts a request of an account and sets its RateLimit headers.
   *
   * @throws RestError 429 `RATE_LIMITED`; 503 `RATE_LIMIT_UNAVAILABLE` while Redis is unavailable
   * and requests must not pass unlimited.
   */
  async count(ctx: Context, accountId: string): Promise<void> {
    const { accounts, max, windowMs } = this.#options;
    const limit = accounts.get(accountId) ?? max;
    if (limit === 0) return;
    const passed = await this.#take(ctx, accountId, limit);
    if (passed === undefined) return;

    // The library returns the second in which a place becomes free, rounded down. After its end a
    // place is certainly free.
    const freeAt = (Number(ctx.response.get(HEADERS.reset)) + 1) * 1_000 + CLOCK_LAG_MS;
    const retryAfterMs = Math.min(Math.max(freeAt - Date.now(), 1), windowMs + CLOCK_LAG_MS);
    const seconds = String(Math.ceil(retryAfterMs / 1_000));
    ctx.set(HEADERS.reset, seconds);
    if (passed) return;
    this.#options.onLimited();
    throw new RestError(
      'RATE_LIMITED',
      `the account has made its ${limit} requests in ${windowMs} ms; try again in ${seconds} s`,
      { headers: { 'retry-after': seconds }, details: { limit, windowMs, retryAfterMs } },
    );
  }

  /**
   * Returns whether the request has a place; `undefined` if that is unknown and the request may
   * pass.
   */
  async #take(ctx: Context, accountId: string, limit: number): Promise<boolean | undefined> {
    const { whenAway, log } = this.#options;
    (ctx.state as LimitedState).limitedAccount = accountId;
    let passed = false;
    try {
      // The library's `next` only records the result. The request continues outside, so that its
      // errors do not count as errors of Redis.
      await this.#limiter(limit)(ctx, () => {
        passed = true;
        return Promise.resolve();
      });
    } catch (error) {
      if (!this.#away) log.warn({ err: error, whenAway }, 'Rate limit unavailable: Redis does not answer');
      this.#away = true;
      if (whenAway === 'open') return undefined;
      throw new RestError('RATE_LIMIT_UNAVAILABLE', 'the rate limit cannot be checked now, try again');
    }
    if (this.#away) log.info('Rate limit recovered');
    this.#away = false;
    return passed;
  }

  /** Returns the middleware for a limit, because koa-ratelimit's limit is fixed. */
  #limiter(limit: number): Middleware {
    const known = this.#byLimit.get(limit);
    if (known !== undefined) return known;
    const { redis, prefix, windowMs } = this.#options;
    const limiter = rateLimit({
      driver: 'redis',
      db: redis,
      namespace: `${prefix}rate`,
      duration: windowMs,
      max: limit,
      headers: HEADERS,
      id: (ctx) => (ctx.state as LimitedState).limitedAccount,
    });
    this.#byLimit.set(limit, limiter);
    return limiter;
  }
}
