import { changesOf, type AttemptedOutcome } from '@bulk/contracts';
import {
  clippedChanges,
  effectSchema,
  failure,
  MAX_BATCH_CHANGES_BYTES,
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

/**
 * Progress as it travels with a batch in a retry topic. Most entries are successes, so each of them
 * is only two numbers.
 */
export const progressSnapshotSchema = z.strictObject({
  attempts: z.int().nonnegative(),
  faults: z.int().nonnegative(),
  isolated: z.boolean(),
  successes: z.array(z.tuple([position, count])),
  others: z.array(z.tuple([position, count, z.enum(['failure', 'skipped']), outcomeCodeSchema, z.string()])),
  requests: z.array(z.tuple([position, count])),
});
export type ProgressSnapshot = z.infer<typeof progressSnapshotSchema>;

/**
 * What the successes of a snapshot did to their entities. It travels apart from the snapshot, because
 * a handler of an older version refuses a snapshot with anything else in it.
 */
export const effectsSnapshotSchema = z.array(z.tuple([position, effectSchema, count.nullable()]));
export type EffectsSnapshot = z.infer<typeof effectsSnapshotSchema>;

/**
 * What the outcomes of a snapshot keep of their changes: position and the JSON of the changes. It travels apart too, for
 * the same reason.
 */
export const changesSnapshotSchema = z.array(z.tuple([position, z.string()]));
export type ChangesSnapshot = z.infer<typeof changesSnapshotSchema>;

/** An outcome that is decided, with the try of the batch that decided it. */
export interface Settled {
  readonly outcome: Outcome;
  readonly attempts: number;
}

/**
 * Holds what is known of a batch over all its tries.
 *
 * A position is open until it is settled. A settled position is not processed again, so that
 * another try of one entity leaves the others of its batch undisturbed.
 */
export class BatchProgress {
  /** Number of tries so far, including the one under way. */
  attempts = 0;
  /** Number of tries that failed as a whole for a reason that is not known to be transient. */
  faults = 0;
  /** Whether the batch is applied entity by entity, because it fails as a whole. */
  isolated = false;
  /**
   * Whether the batch's first positions are claimed. Only then may a later batch overtake it (G4).
   */
  claimed = false;
  readonly #settled = new Map<number, Settled>();
  /** Bytes that the outcomes may still keep of their changes, so that a batch in memory is bounded too. */
  #changesLeft = MAX_BATCH_CHANGES_BYTES;
  /** Position → how often its entity asked for another try. */
  readonly #requests = new Map<number, number>();

  static from(
    snapshot: ProgressSnapshot,
    effects: EffectsSnapshot = [],
    changes: ChangesSnapshot = [],
  ): BatchProgress {
    const kept = new Map(changes);
    const known = new Map(
      effects.map(([at, effect, version]) => [at, success(effect, version ?? undefined, kept.get(at))]),
    );
    const progress = new BatchProgress();
    progress.attempts = snapshot.attempts;
    progress.faults = snapshot.faults;
    progress.isolated = snapshot.isolated;
    for (const [at, attempts] of snapshot.successes)
      progress.#settled.set(at, { outcome: progress.#bounded(known.get(at) ?? success()), attempts });
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

  /** Returns what the successes did to their entities, as far as it is known. */
  effects(): EffectsSnapshot {
    return [...this.#settled].flatMap(([at, { outcome }]): EffectsSnapshot =>
      outcome.status === 'success' && outcome.effect !== undefined
        ? [[at, outcome.effect, outcome.version ?? null]]
        : [],
    );
  }

  /** Returns what the outcomes keep of their changes. */
  changes(): ChangesSnapshot {
    return [...this.#settled].flatMap(([at, { outcome }]): ChangesSnapshot => {
      const changes = changesOf(outcome);
      return changes === undefined ? [] : [[at, changes]];
    });
  }

  /** The highest number of requests of an open entity; 0 if no entity has asked for another try. */
  get requests(): number {
    return Math.max(0, ...this.#requests.values());
  }

  isOpen(position: number): boolean {
    return !this.#settled.has(position);
  }

  /** Settles a position with the number of the try under way. */
  settle(position: number, outcome: Outcome): void {
    this.#requests.delete(position);
    this.#settled.set(position, { outcome: this.#bounded(outcome), attempts: this.attempts });
  }

  /** Returns an outcome with its changes, or with a mark in their place once the batch keeps too many. */
  #bounded(outcome: Outcome): Outcome {
    const changes = changesOf(outcome);
    if (changes === undefined || outcome.status !== 'success') return outcome;
    const kept = clippedChanges(changes, this.#changesLeft);
    if (kept !== changes) return { ...outcome, changes: kept };
    this.#changesLeft -= Buffer.byteLength(changes);
    return outcome;
  }

  /**
   * Takes the answer of an action type for an entity: an outcome, or a request for another try.
   *
   * A request becomes a failure if no try is left. Only the entity's own requests count, not the
   * tries that a dependency has cost it.
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

  /** Returns the outcome of each entity, in their order. Open entities get `rest`. */
  outcomes(entities: readonly Entity[], rest: Outcome): AttemptedOutcome[] {
    return entities.map(({ position, id, ref }) => {
      const { outcome, attempts } = this.#settled.get(position) ?? { outcome: rest, attempts: this.attempts };
      return { position, entityId: id, ref, outcome, attempts };
    });
  }
}
