import { hash } from 'node:crypto';
import type { Redis } from 'ioredis';

/** The key of a script's run, and its arguments. */
export type ScriptArguments = readonly [key: string, ...rest: (string | Buffer)[]];

interface Run {
  readonly args: ScriptArguments;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/** Maximum number of runs that one request carries. */
const RUNS_AT_ONCE = 100;

/**
 * Runs a Lua script that uses one key.
 *
 * Redis gets the digest of the script, and the script itself only if it does not know it: at first, and after a
 * restart. Runs of one turn of the event loop are sent together, and each has its own reply.
 */
export class KeyScript {
  readonly #redis: Redis;
  readonly #source: string;
  readonly #digest: string;
  #waiting: Run[] = [];

  constructor(redis: Redis, source: string) {
    this.#redis = redis;
    this.#source = source;
    this.#digest = hash('sha1', source);
  }

  /** @throws the client's error. */
  async run(args: ScriptArguments): Promise<unknown> {
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.push({ args, resolve, reject });
        if (this.#waiting.length === 1) setImmediate(() => this.#send());
      });
    } catch (error) {
      if (!isUnknownScript(error)) throw error;
      return this.#redis.eval(this.#source, 1, ...args);
    }
  }

  #send(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let from = 0; from < waiting.length; from += RUNS_AT_ONCE)
      void this.#sendTogether(waiting.slice(from, from + RUNS_AT_ONCE));
  }

  async #sendTogether(runs: readonly Run[]): Promise<void> {
    const pipeline = this.#redis.pipeline();
    for (const { args } of runs) pipeline.evalsha(this.#digest, 1, ...args);
    try {
      const replies = (await pipeline.exec()) ?? [];
      runs.forEach(({ resolve, reject }, i) => {
        const [error, reply] = replies[i] ?? [new Error('no reply to a run of a script'), undefined];
        if (error === null) resolve(reply);
        else reject(error);
      });
    } catch (error) {
      for (const { reject } of runs) reject(error);
    }
  }
}

function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}
