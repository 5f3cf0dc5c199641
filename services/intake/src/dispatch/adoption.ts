import type { Logger } from '@bulk/runtime';
import type { DispatchStore } from './dispatch-store.ts';

export interface AdoptionOptions {
  readonly store: Pick<DispatchStore, 'adopt'>;
  /** Monotonic clock, in ms. */
  readonly monotonic: () => number;
  readonly log: Logger;
}

/** An upgrade has replaced every instance of the older version this long after the start of this one, in ms. */
const UPGRADE_MS = 3_600_000;
/** How often it is looked for what those instances have accepted or resumed meanwhile, in ms. */
const EVERY_MS = 60_000;

/**
 * Adopts actions of an older version, which no look for due actions finds: those that are there at the start, and for an hour
 * those that instances of that version leave behind while an upgrade replaces them one after the other.
 */
export class Adoption {
  readonly #options: AdoptionOptions;
  readonly #startedAt: number;
  /** Monotonic time of the last look that was answered, in ms. */
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: AdoptionOptions) {
    this.#options = options;
    this.#startedAt = options.monotonic();
  }

  /** Adopts what is there, if it is time. @throws StoreError. */
  async adoptIfDue(): Promise<void> {
    const { store, monotonic, log } = this.#options;
    const now = monotonic();
    const isFirst = this.#lookedAt === Number.NEGATIVE_INFINITY;
    if (!isFirst && (now - this.#lookedAt < EVERY_MS || now - this.#startedAt > UPGRADE_MS)) return;
    const actions = await store.adopt();
    this.#lookedAt = now;
    if (actions > 0) log.info({ actions }, 'Adopted actions of an older version');
  }
}
