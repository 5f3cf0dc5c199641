import type { Logger } from './logger.ts';

interface Releaser {
  readonly name: string;
  readonly release: () => Promise<void> | void;
}

/**
 * What a service has opened, to be closed in the opposite order. Each step is bounded, so that one that hangs does not
 * keep the later ones (which may hand work back) from running.
 */
export class Releasers {
  readonly #stack: Releaser[] = [];
  readonly #log: Logger;
  #released: Promise<void> | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Registers how to close what was just opened. */
  push(name: string, release: () => Promise<void> | void): void {
    this.#stack.push({ name, release });
  }

  /**
   * Closes everything, last opened first; a failure is logged and the rest goes on. A second call waits for the first.
   *
   * @param stepTimeoutMs longest time for one step.
   */
  releaseAll(stepTimeoutMs: number): Promise<void> {
    this.#released ??= this.#release(stepTimeoutMs);
    return this.#released;
  }

  async #release(stepTimeoutMs: number): Promise<void> {
    for (let next = this.#stack.pop(); next !== undefined; next = this.#stack.pop()) {
      const { name, release } = next;
      try {
        await withTimeout(Promise.resolve(release()), stepTimeoutMs);
        this.#log.debug({ step: name }, 'released');
      } catch (error) {
        this.#log.warn({ step: name, err: error }, 'could not release cleanly');
      }
    }
  }
}

async function withTimeout(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${ms} ms`)), ms);
  });
  try {
    await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
