import type { AttemptedOutcome } from '@bulk/contracts';
import { failure, OUTCOME_CODES, type Entity, type Outcome, type RetryRequest } from '@bulk/domain';

/** An outcome that is decided, and in which try of the batch it was. */
export interface Settled {
  readonly outcome: Outcome;
  readonly attempts: number;
}

/**
 * What is known of a batch while it is worked on, over all its tries. A position is open until it is settled; what is
 * settled is not processed again, so that an entity that is tried again leaves the others of its batch undisturbed.
 */
export class BatchProgress {
  /** Tries so far, the one under way included. */
  attempts = 0;
  /** Tries that failed as a whole for a reason that is not known to pass. */
  faults = 0;
  /** Whether the batch is to be taken apart, since processing it as a whole cannot go well. */
  isolated = false;
  /** Whether its first positions are claimed: only then may a later batch go before it (G4). */
  claimed = false;
  readonly #settled = new Map<number, Settled>();
  /** Position → how often that entity asked for another try. */
  readonly #requests = new Map<number, number>();

  /** Most requests of an entity that is still open; 0: none is open by its own request. */
  get requests(): number {
    return Math.max(0, ...this.#requests.values());
  }

  isOpen(position: number): boolean {
    return !this.#settled.has(position);
  }

  /** Settles a position in the try under way. */
  settle(position: number, outcome: Outcome): void {
    this.#requests.delete(position);
    this.#settled.set(position, { outcome, attempts: this.attempts });
  }

  /**
   * Takes what an action type answered for an entity: an outcome, or a request for another try, which is its failure where
   * none is left. Only the entity's own requests count, not the tries that a dependency has cost it.
   */
  take(position: number, answer: Outcome | RetryRequest, maxAttempts: number): void {
    if (answer.status !== 'retry') {
      this.settle(position, answer);
      return;
    }
    const requests = (this.#requests.get(position) ?? 0) + 1;
    if (requests >= maxAttempts)
      this.settle(position, failure(OUTCOME_CODES.RETRIES_EXHAUSTED, answer.message));
    else this.#requests.set(position, requests);
  }

  /** The outcome of each entity, in their order; `rest` for those that are open. */
  outcomes(entities: readonly Entity[], rest: Outcome): AttemptedOutcome[] {
    return entities.map(({ position, id, ref }) => {
      const { outcome, attempts } = this.#settled.get(position) ?? { outcome: rest, attempts: this.attempts };
      return { position, entityId: id, ref, outcome, attempts };
    });
  }
}
