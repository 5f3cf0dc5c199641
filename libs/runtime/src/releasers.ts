import type { Logger } from './logger.ts';

/**
 * Closes one thing.
 *
 * @param limitMs time that it has, in ms; afterwards the stop continues without it.
 */
export type Release = (limitMs: number) => Promise<void> | void;

export interface ReleaseOptions {
  /**
   * Starts this step as soon as the stop begins, beside the steps before it; its turn then only waits for it. For work
   * that is handed back to other instances, which should not wait until everything else is closed.
   *
   * @default false
   */
  readonly atOnce?: boolean;
}

interface Releaser {
  readonly name: string;
  readonly release: Release;
  readonly atOnce: boolean;
}

/** Time that a step keeps for each step after it, in ms; less where there are many steps for the time. */
const RESERVE_MS = 1_000;
/** Part of the whole time that all steps together may use: the end of the process needs some, too. */
const USABLE_PART = 0.95;
/** Part of the whole time that is reserved for later steps, at most. */
const RESERVED_PART = 0.5;

/**
 * Closes what a service has opened, in the opposite order and within one time limit. Each step may use the time that is
 * left, except a reserve for every later step. So a step that hangs keeps neither the later ones (which may hand work
 * back) from running nor the process from ending in time.
 */
export class Releasers {
  readonly #stack: Releaser[] = [];
  readonly #log: Logger;
  #released: Promise<void> | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Registers how to close what was just opened. */
  push(name: string, release: Release, { atOnce = false }: ReleaseOptions = {}): void {
    this.#stack.push({ name, release, atOnce });
  }

  /**
   * Closes everything, last opened first; a failure is logged and the rest goes on. A second call waits for the first.
   *
   * @param totalMs longest time for all steps together, in ms.
   */
  releaseAll(totalMs: number): Promise<void> {
    this.#released ??= this.#releaseAll(totalMs);
    return this.#released;
  }

  async #releaseAll(totalMs: number): Promise<void> {
    const deadline = performance.now() + totalMs * USABLE_PART;
    const reserveMs = Math.min(RESERVE_MS, (totalMs * RESERVED_PART) / Math.max(1, this.#stack.length));
    const limitMs = (later: number): number => Math.max(1, deadline - performance.now() - later * reserveMs);
    const early = new Map(
      this.#stack
        .filter(({ atOnce }) => atOnce)
        .map((step) => [step, this.#release(step, limitMs(this.#stack.length - 1))]),
    );
    for (let next = this.#stack.pop(); next !== undefined; next = this.#stack.pop()) {
      await (early.get(next) ?? this.#release(next, limitMs(this.#stack.length)));
    }
  }

  /** Never rejects. */
  async #release({ name, release }: Releaser, limitMs: number): Promise<void> {
    try {
      await within(limitMs, async () => release(limitMs));
      this.#log.debug({ step: name }, 'released');
    } catch (error) {
      this.#log.warn({ step: name, err: error }, 'could not release cleanly');
    }
  }
}

async function within(ms: number, work: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${Math.round(ms)} ms`)), ms);
  });
  try {
    await Promise.race([work(), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
