import type { AttemptedOutcome } from '@bulk/contracts';
import {
  failure,
  OUTCOME_CODES,
  outcomeCodeSchema,
  success,
  type Entity,
  type Outcome,
  type RetryRequest,
} from '@bulk/domain';
import { z } from 'zod';

const position = z.int().nonnegative();
const count = z.int().positive();

/** Progress as it travels with a batch that waits in a retry topic. Successes are by far the most: they are two numbers. */
export const progressSnapshotSchema = z.strictObject({
  attempts: z.int().nonnegative(),
  faults: z.int().nonnegative(),
  isolated: z.boolean(),
  successes: z.array(z.tuple([position, count])),
  others: z.array(z.tuple([position, count, z.enum(['failure', 'skipped']), outcomeCodeSchema, z.string()])),
  requests: z.array(z.tuple([position, count])),
});
export type ProgressSnapshot = z.infer<typeof progressSnapshotSchema>;

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

  static from(snapshot: ProgressSnapshot): BatchProgress {
    const progress = new BatchProgress();
    progress.attempts = snapshot.attempts;
    progress.faults = snapshot.faults;
    progress.isolated = snapshot.isolated;
    for (const [at, attempts] of snapshot.successes)
      progress.#settled.set(at, { outcome: success(), attempts });
    for (const [at, attempts, status, code, message] of snapshot.others)
      progress.#settled.set(at, { outcome: { status, code, message }, attempts });
    for (const [at, requests] of snapshot.requests) progress.#requests.set(at, requests);
    return progress;
  }

  snapshot(): ProgressSnapshot {
    const successes: ProgressSnapshot['successes'] = [];
    const others: ProgressSnapshot['others'] = [];
    for (const [at, { outcome, attempts }] of this.#settled) {
      if (outcome.status === 'success') successes.push([at, attempts]);
      else others.push([at, attempts, outcome.status, outcome.code, outcome.message]);
    }
    const { attempts, faults, isolated } = this;
    return { attempts, faults, isolated, successes, others, requests: [...this.#requests] };
  }

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
