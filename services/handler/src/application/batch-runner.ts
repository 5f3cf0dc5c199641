import type { AttemptedOutcome } from '@bulk/contracts';
import {
  backoffDelay,
  isRetryable,
  RetryableError,
  SupersededError,
  type BackoffOptions,
} from '@bulk/domain';
import { PartitionLostError, type Chunk } from '@bulk/kafka';
import type { Logger, Places } from '@bulk/runtime';
import type { BatchApplier } from './batch-applier.ts';
import type { BatchRecorder, RetryReason } from './batch-recorder.ts';
import { FenceAheadOfLogError } from './fence-ahead-of-log-error.ts';
import type { LaneBatch } from './lane-batch.ts';

export interface BatchRunnerOptions {
  readonly applier: Pick<BatchApplier, 'apply'>;
  /** Waits between tries while a dependency is unavailable. */
  readonly backoff: BackoffOptions;
  /** Returns the current end of a partition's log. Called if a fence seems to lie beyond it. */
  readonly endOffset: (topic: string, partition: number) => Promise<number>;
  /** Longest time that a batch holds its partition, in ms. After this time it is postponed. */
  readonly inPlaceMs: number;
  /**
   * Runs a try and updates readiness from its result. Each try is watched, because a batch may wait
   * for long.
   */
  readonly watched: <T>(work: () => Promise<T>) => Promise<T>;
  /** Monotonic clock, in ms. */
  readonly monotonic: () => number;
  readonly recorder: Pick<BatchRecorder, 'applied' | 'retried'>;
  readonly log: Logger;
}

/**
 * How the work on a batch ends.
 *
 * `settled`: with all outcomes. `published-twice`, `superseded`: without a report, because another
 * copy or owner reports the outcomes. `postponed`: the batch would hold its partition for too long.
 * `given-up`: only with the outcomes that are settled.
 */
export type RunEnd =
  | { readonly kind: 'settled'; readonly outcomes: AttemptedOutcome[] }
  | { readonly kind: 'published-twice' | 'superseded' }
  | { readonly kind: 'postponed' | 'given-up'; readonly error: unknown };

/** The batch needs another try, at the earliest after `delayMs` milliseconds. */
export interface Again {
  readonly kind: 'again';
  readonly reason: RetryReason;
  readonly delayMs: number;
  readonly error: unknown;
}

/** What the tries of one message have in common while it holds its partition. */
export interface Tries {
  /** Number of tries in a row that an unavailable dependency has cost. */
  outages: number;
  /** Until when the batch may hold its partition, on the monotonic clock. The first try sets it. */
  until: number | undefined;
}

/** Tries a batch once and decides whether, and when, it is tried again. */
export class BatchRunner {
  readonly #options: BatchRunnerOptions;

  constructor(options: BatchRunnerOptions) {
    this.#options = options;
  }

  /**
   * Tries the open positions of a batch once.
   *
   * @param slots bounds the entities that the batches of a group process one by one at a time.
   * @throws PartitionLostError if the partition is lost: the caller must leave the batch as it is.
   */
  async try(batch: LaneBatch, chunk: Chunk, tries: Tries, slots?: Places): Promise<RunEnd | Again> {
    const { inPlaceMs, monotonic, recorder } = this.#options;
    tries.until ??= monotonic() + inPlaceMs;
    const step = await this.#step(batch, chunk, tries, slots);
    if (step.kind !== 'again') return step;
    // Later batches may overtake it only once its first positions are claimed. Without Redis they
    // could not continue anyway.
    if (batch.progress.claimed && monotonic() + step.delayMs > tries.until)
      return { kind: 'postponed', error: step.error };
    recorder.retried(step.reason);
    return step;
  }

  async #step(
    batch: LaneBatch,
    chunk: Chunk,
    tries: Tries,
    slots: Places | undefined,
  ): Promise<RunEnd | Again> {
    try {
      return await this.#apply(batch, chunk, slots);
    } catch (error) {
      if (error instanceof PartitionLostError) throw error;
      if (isRetryable(error)) tries.outages += 1;
      return this.#afterError(error, tries.outages, batch, chunk);
    }
  }

  async #apply(batch: LaneBatch, chunk: Chunk, slots: Places | undefined): Promise<RunEnd | Again> {
    await chunk.confirmOwnership();
    const { applier, monotonic, recorder, watched } = this.#options;
    const confirmOwnership = (): Promise<void> => chunk.confirmOwnership();
    const startedAt = monotonic();
    const applied = await watched(() => applier.apply({ ...batch, confirmOwnership, slots })).finally(() =>
      recorder.applied((monotonic() - startedAt) / 1_000),
    );
    if (applied.kind !== 'waiting') return applied;
    const delayMs = backoffDelay(batch.progress.requests, batch.policy);
    const error = new RetryableError('an entity requested a retry');
    return { kind: 'again', reason: 'entity', delayMs, error };
  }

  async #afterError(
    error: unknown,
    outages: number,
    batch: LaneBatch,
    chunk: Chunk,
  ): Promise<RunEnd | Again> {
    const { log, backoff } = this.#options;
    const { message, progress, policy } = batch;
    const where = { topic: message.topic, partition: message.partition, offset: message.offset };
    if (isRetryable(error)) {
      if (outages === 1) log.warn({ ...where, err: error }, 'Batch waiting for dependency');
      return { kind: 'again', reason: 'dependency', delayMs: backoffDelay(outages, backoff), error };
    }
    const fault = error instanceof SupersededError ? await this.#fenceFault(error, batch, chunk) : error;
    if (fault === undefined) {
      log.warn(where, 'Batch superseded by a later owner; not reported');
      return { kind: 'superseded' };
    }
    progress.faults += 1;
    if (progress.faults >= policy.maxAttempts) return { kind: 'given-up', error: fault };
    log.warn({ ...where, attempts: progress.attempts, err: fault }, 'Batch failed; retrying');
    return { kind: 'again', reason: 'fault', delayMs: backoffDelay(progress.faults, policy), error: fault };
  }

  /**
   * Checks what a fence ahead of a batch means.
   *
   * Normally a later batch has changed the entity. Then this partition has another owner, and Kafka
   * holds this batch's result, or the batch in a retry topic. Only a topic that was deleted and
   * created again, with lower offsets than the fences, looks the same. Then the fence is beyond the
   * end of the log, and to continue silently would lose outcomes. The method reads the current end,
   * because the end that came with the fetch is outdated after a stall, and a later owner has
   * applied what was appended since.
   *
   * @returns the error if the fence is beyond the end of the log; `undefined` if the batch is
   * superseded.
   */
  async #fenceFault(
    error: SupersededError,
    { message, at }: LaneBatch,
    chunk: Chunk,
  ): Promise<FenceAheadOfLogError | undefined> {
    await chunk.confirmOwnership();
    const { topic, partition } = message;
    const fence = error.details?.['fence'] as { offset: number } | undefined;
    if (fence === undefined) return undefined;
    // Places of this topic may start beyond those of the topics that it has replaced.
    const offset = fence.offset - (at.offset - message.offset);
    if (offset < chunk.highWatermark) return undefined;
    if (offset < (await this.#options.endOffset(topic, partition))) return undefined;
    return new FenceAheadOfLogError(message, offset, error);
  }
}
