import { RestError } from '@bulk/contracts';
import type { Redis } from '@bulk/redis';
import type { Logger } from '@bulk/runtime';
import type { Context, Middleware } from 'koa';
import rateLimit from 'koa-ratelimit';

export interface RateLimitOptions {
  readonly redis: Redis;
  /** Prefix of every key. */
  readonly prefix: string;
  /** Requests of an account per window; 0: no limit. */
  readonly max: number;
  /** Limits of single accounts in place of `max`. */
  readonly accounts: ReadonlyMap<string, number>;
  readonly windowMs: number;
  readonly whenAway: 'open' | 'closed';
  /** Called for each request that is refused. */
  readonly onLimited: () => void;
  readonly log: Logger;
}

/** A request's account, where koa-ratelimit's middleware finds it. */
interface LimitedState {
  limitedAccount: string;
}

const HEADERS = { total: 'RateLimit-Limit', remaining: 'RateLimit-Remaining', reset: 'RateLimit-Reset' };
/** koa-ratelimit's clock starts at a whole millisecond, so it may be that much behind. */
const CLOCK_LAG_MS = 1;

/**
 * How many requests an account may make: a sliding-window log in Redis, one for all instances, counted in one atomic step by
 * koa-ratelimit. Around it is what it leaves out: a limit per account, what happens when Redis is away, `RateLimit-Reset` as
 * a time to wait instead of a date, and a `Retry-After` after which a request passes (its own is rounded down).
 * A refused request is not counted. Instances' clocks must agree: an entry has the time of the instance that made it.
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
   * @throws RestError 429 `RATE_LIMITED`; 503 `RATE_LIMIT_UNAVAILABLE` while Redis is away and that is not to pass.
   */
  async count(ctx: Context, accountId: string): Promise<void> {
    const { accounts, max, windowMs } = this.#options;
    const limit = accounts.get(accountId) ?? max;
    if (limit === 0) return;
    const passed = await this.#take(ctx, accountId, limit);
    if (passed === undefined) return;

    // The library gives the second in which a place becomes free, rounded down: after its end one is free for certain.
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

  /** Whether there was a place; undefined when nobody knows and the request may pass. */
  async #take(ctx: Context, accountId: string, limit: number): Promise<boolean | undefined> {
    const { whenAway, log } = this.#options;
    (ctx.state as LimitedState).limitedAccount = accountId;
    let passed = false;
    try {
      // Its `next` only tells; the request goes on outside, so that what it throws is not taken for Redis' fault.
      await this.#limiter(limit)(ctx, () => {
        passed = true;
        return Promise.resolve();
      });
    } catch (error) {
      if (!this.#away) log.warn({ err: error, whenAway }, 'Redis is away, the rate limit cannot be kept');
      this.#away = true;
      if (whenAway === 'open') return undefined;
      throw new RestError('RATE_LIMIT_UNAVAILABLE', 'the rate limit cannot be checked now, try again');
    }
    if (this.#away) log.info('Redis is there again, the rate limit is kept');
    this.#away = false;
    return passed;
  }

  /** koa-ratelimit's limit is fixed, so there is one for each limit. */
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
