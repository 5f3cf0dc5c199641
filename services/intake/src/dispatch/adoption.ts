import type { Logger } from '@bulk/runtime';
import type { DispatchStore } from './dispatch-store.ts';

export interface AdoptionOptions {
  readonly store: Pick<DispatchStore, 'adopt'>;
  /** Monotonic clock, in ms. */
  readonly monotonic: () => number;
  readonly log: Logger;
}

/**
 * Time after the start of this instance by which an upgrade has replaced every older instance, in
 * ms.
 */
const UPGRADE_MS = 3_600_000;
/** How often `Adoption` looks for actions that older instances have accepted or resumed, in ms. */
const EVERY_MS = 60_000;

/**
 * Adopts actions of an older version, which no look for due actions finds.
 *
 * It adopts those that exist at the start. For an hour it also adopts those that instances of the
 * older version leave behind while an upgrade replaces these instances one after the other.
 */
export class Adoption {
  readonly #options: AdoptionOptions;
  readonly #startedAt: number;
  /** Monotonic time of the last look that succeeded, in ms. */
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: AdoptionOptions) {
    this.#options = options;
    this.#startedAt = options.monotonic();
  }

  /** Adopts the actions of an older version, if a look is due. @throws StoreError. */
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
