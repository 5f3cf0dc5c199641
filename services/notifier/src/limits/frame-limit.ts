import { randomUUID } from 'node:crypto';
import type { Redis } from '@bulk/redis';
import type { Logger } from '@bulk/runtime';
import { z } from 'zod';
import { FrameWindows, type FrameWindow } from './frame-windows.ts';

export interface FrameLimitOptions {
  readonly redis: Pick<Redis, 'eval'>;
  /** Prefix of every key. */
  readonly prefix: string;
  /** Maximum number of frames of an account per window, over all instances. */
  readonly max: number;
  /** Maximum number of frames of a connection without an account per window. */
  readonly unnamedMax: number;
  readonly windowMs: number;
  /** Returns milliseconds since a fixed instant; never decreases. */
  readonly now: () => number;
  readonly log: Logger;
}

/**
 * Counts a frame of one connection. A refused frame does not count. Never rejects.
 *
 * @returns 0 if the frame passes; otherwise the time until another one may pass, in ms.
 */
export type TakeFrame = () => Promise<number>;

/**
 * How long Redis is not called after a failure, in ms, so that an outage does not slow down each
 * frame.
 */
const REST_MS = 1_000;
/** An instance takes frames from Redis in parts of the limit. This is the number of parts. */
const PARTS = 100;
/**
 * Records what one window of one instance takes of the limit of an account. It is a sum and not an addition: a call that Redis
 * executed, and whose answer came too late, is repeated.
 *
 * KEYS[1] holds the frames of the account's window, by window of an instance. ARGV: that window, its frames,
 * length of a window in ms.
 */
const TAKE = `
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
local count = 0
for _, frames in ipairs(redis.call('HVALS', KEYS[1])) do count = count + tonumber(frames) end
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  left = tonumber(ARGV[3])
  redis.call('PEXPIRE', KEYS[1], left)
end
return { count, left }
`;
const takenSchema = z.tuple([z.number(), z.number()]);

/**
 * Counts the frames of each account over all instances, in fixed windows.
 *
 * An instance takes a hundredth of the limit from Redis at once, for all connections of the
 * account, so that a frame seldom waits for Redis. In addition, no instance lets more than the
 * limit pass, which bounds an account while Redis is unavailable. What passes in an outage is added
 * afterwards.
 */
export class FrameLimit {
  readonly #options: FrameLimitOptions;
  readonly #accounts: FrameWindows;
  readonly #part: number;
  #restsUntil = -Infinity;
  #isUnavailable = false;

  constructor(options: FrameLimitOptions) {
    this.#options = options;
    this.#accounts = new FrameWindows(options.windowMs, options.now);
    this.#part = Math.max(1, Math.floor(options.max / PARTS));
  }

  /**
   * Returns the counter for the frames of a new connection.
   *
   * @param accountId `undefined` if the connection counts by itself.
   */
  of(accountId: string | undefined): TakeFrame {
    if (accountId !== undefined) return () => this.#take(accountId);
    const { windowMs, now, unnamedMax } = this.#options;
    const own = new FrameWindows(windowMs, now);
    return () => Promise.resolve(this.#spend(own.of(''), unnamedMax));
  }

  async #take(accountId: string): Promise<number> {
    const { max, now } = this.#options;
    for (;;) {
      const window = this.#accounts.of(accountId);
      const mayPass = window.spent < window.granted || now() < this.#restsUntil;
      if (mayPass || window.spent >= max) return this.#spend(window, max);
      window.asking ??= this.#ask(accountId, window);
      await window.asking;
    }
  }

  #spend(window: FrameWindow, max: number): number {
    if (window.spent >= max) return Math.max(1, window.endsAt - this.#options.now());
    window.spent += 1;
    return 0;
  }

  /** Never rejects. */
  async #ask(accountId: string, window: FrameWindow): Promise<void> {
    const { redis, prefix, max, windowMs, now, log } = this.#options;
    // The request includes the frames that have passed without Redis.
    const wanted = Math.max(window.spent, window.granted) + this.#part;
    window.id ??= randomUUID();
    try {
      const answer = await redis.eval(TAKE, 1, `${prefix}frames:${accountId}`, window.id, wanted, windowMs);
      const [count, leftMs] = takenSchema.parse(answer);
      if (this.#isUnavailable) log.info('Frame limit recovered: frames count over all instances');
      this.#isUnavailable = false;
      window.endsAt = now() + Math.max(leftMs, 1);
      window.granted = Math.max(window.granted, wanted - Math.max(0, count - max));
      // Nothing is left for this instance until the window ends.
      if (window.granted <= window.spent) window.spent = max;
    } catch (error) {
      if (!this.#isUnavailable)
        log.warn({ err: error }, 'Frame limit degraded: Redis unavailable, frames count per instance');
      this.#isUnavailable = true;
      this.#restsUntil = now() + REST_MS;
    } finally {
      window.asking = undefined;
    }
  }
}
