import { hash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { NotReplicatedError } from './errors.ts';

/** The key of a script's run, and its arguments. */
export type ScriptArguments = readonly [key: string, ...rest: (string | Buffer)[]];

/** Which replicas must have the writes of a run. */
export interface Replication {
  /** Number of replicas. 0: nothing is awaited. */
  readonly replicas: number;
  /** Maximum wait for them, in ms. */
  readonly timeoutMs: number;
}

interface Run {
  readonly args: ScriptArguments;
  /** Whether Redis needs the script itself, because it does not know the digest. */
  readonly whole: boolean;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/** Maximum number of runs that one request carries. */
const RUNS_AT_ONCE = 100;

/**
 * Runs a Lua script that uses one key.
 *
 * Redis gets the digest of the script, and the script itself only if it does not know it: at first, and after a restart
 * or a failover. Runs of one turn of the event loop are sent together, and each has its own reply. With replicas to
 * await, a request ends with one `WAIT`, and one request is under way at a time, because `WAIT` blocks the connection.
 */
export class KeyScript {
  readonly #redis: Redis;
  readonly #source: string;
  readonly #digest: string;
  readonly #replication: Replication;
  #waiting: Run[] = [];
  #isSending = false;

  constructor(redis: Redis, source: string, replication: Replication) {
    this.#redis = redis;
    this.#source = source;
    this.#digest = hash('sha1', source);
    this.#replication = replication;
  }

  /**
   * @throws NotReplicatedError if too few replicas have what the run wrote, or anything that was written before it.
   * @throws the client's error.
   */
  async run(args: ScriptArguments): Promise<unknown> {
    try {
      return await this.#add(args, false);
    } catch (error) {
      if (!isUnknownScript(error)) throw error;
      return this.#add(args, true);
    }
  }

  #add(args: ScriptArguments, whole: boolean): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ args, whole, resolve, reject });
      if (this.#waiting.length === 1 && !this.#isSending) setImmediate(() => this.#send());
    });
  }

  #send(): void {
    if (this.#replication.replicas > 0) {
      void this.#sendInTurn();
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let from = 0; from < waiting.length; from += RUNS_AT_ONCE)
      void this.#sendTogether(waiting.slice(from, from + RUNS_AT_ONCE));
  }

  async #sendInTurn(): Promise<void> {
    this.#isSending = true;
    while (this.#waiting.length > 0) await this.#sendTogether(this.#waiting.splice(0, RUNS_AT_ONCE));
    this.#isSending = false;
  }

  async #sendTogether(runs: readonly Run[]): Promise<void> {
    const { replicas, timeoutMs } = this.#replication;
    const pipeline = this.#redis.pipeline();
    for (const { args, whole } of runs) {
      if (whole) pipeline.eval(this.#source, 1, ...args);
      else pipeline.evalsha(this.#digest, 1, ...args);
    }
    if (replicas > 0) pipeline.wait(replicas, timeoutMs);
    try {
      const replies = (await pipeline.exec()) ?? [];
      if (replicas > 0) this.#confirm(replies[runs.length]);
      runs.forEach(({ resolve, reject }, i) => {
        const [error, reply] = replies[i] ?? [new Error('no reply to a run of a script'), undefined];
        if (error === null) resolve(reply);
        else reject(error);
      });
    } catch (error) {
      for (const { reject } of runs) reject(error);
    }
  }

  /** @throws NotReplicatedError or the client's error if the answer to `WAIT` does not name enough replicas. */
  #confirm([error, answer]: [Error | null, unknown] = [new Error('no answer to WAIT'), undefined]): void {
    if (error !== null) throw error;
    const { replicas } = this.#replication;
    if (Number(answer) >= replicas) return;
    // A primary without its replicas may have been replaced. The next connection finds the one that has replaced it.
    this.#redis.disconnect(true);
    throw new NotReplicatedError(Number(answer), replicas);
  }
}

function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}
