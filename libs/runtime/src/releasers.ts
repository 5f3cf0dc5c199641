import type { Logger } from './logger.ts';

/**
 * Closes one resource.
 *
 * @param limitMs time limit in ms. After it the stop continues without this step.
 */
export type Release = (limitMs: number) => Promise<void> | void;

export interface ReleaseOptions {
  /**
   * Whether the step starts at once when the stop starts, in parallel with the steps before it. Its turn then only
   * waits for it. Use it for work that is handed back to other instances, which should not wait until all else is
   * closed.
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

/** Time that a step reserves for each later step, in ms; less if there are many steps for the time. */
const RESERVE_MS = 1_000;
/** Part of the whole time that all steps together may use: the end of the process needs some time, too. */
const USABLE_PART = 0.95;
/** Maximum part of the whole time that is reserved for later steps. */
const RESERVED_PART = 0.5;

/**
 * Closes what a service has opened, in reverse order and within one time limit.
 *
 * Each step may use the remaining time, except a reserve for every later step. So a step that hangs does not prevent
 * the later ones, which may hand work back, and does not keep the process from ending in time.
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
   * Closes everything, last opened first. A failure is logged, and the other steps continue. A second call waits for
   * the first.
   *
   * @param totalMs time limit for all steps together, in ms.
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
      this.#log.warn({ step: name, err: error }, 'Release step failed');
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
