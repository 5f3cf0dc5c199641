import type { AttemptedOutcome } from '@bulk/contracts';
import {
  backoffDelay,
  isRetryable,
  RetryableError,
  SupersededError,
  type BackoffOptions,
} from '@bulk/domain';
import { PartitionLostError, type Chunk, type ReceivedMessage } from '@bulk/kafka';
import type { Logger } from '@bulk/runtime';
import type { BatchApplier, BatchAt } from '../application/batch-applier.ts';
import type { BatchRecorder, RetryReason } from './batch-recorder.ts';
import { FenceAheadOfLogError } from './fence-ahead-of-log-error.ts';

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
   * here for long.
   */
  readonly watched: <T>(work: () => Promise<T>) => Promise<T>;
  /** Monotonic clock, in ms. */
  readonly monotonic: () => number;
  readonly recorder: Pick<BatchRecorder, 'applied' | 'retried'>;
  readonly log: Logger;
}

/** A batch with the message of its lane that brought it, even if it comes from a retry topic. */
export interface RunnableBatch extends BatchAt {
  readonly message: ReceivedMessage;
  /** Time of the batch's first try, in ms since the epoch. */
  readonly firstTriedAt: number;
  /** How often the batch was put into a retry topic. */
  readonly postponed: number;
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

interface Again {
  readonly kind: 'again';
  readonly reason: RetryReason;
  readonly delayMs: number;
  readonly error: unknown;
}

type Step = RunEnd | Again;

/** Tries a batch until it ends, and continues the heartbeats while it waits. */
export class BatchRunner {
  readonly #options: BatchRunnerOptions;

  constructor(options: BatchRunnerOptions) {
    this.#options = options;
  }

  /**
   * @throws if the partition is lost or the consumer stops: the caller must leave the batch as it
   * is.
   */
  async run(batch: RunnableBatch, chunk: Chunk): Promise<RunEnd> {
    const { inPlaceMs, monotonic, recorder } = this.#options;
    const until = monotonic() + inPlaceMs;
    for (let outages = 0; ;) {
      let step: Step;
      try {
        step = await this.#try(batch, chunk);
      } catch (error) {
        if (error instanceof PartitionLostError) throw error;
        if (isRetryable(error)) outages += 1;
        step = await this.#afterError(error, outages, batch, chunk);
      }
      if (step.kind !== 'again') return step;
      // Later batches may overtake it only once its first positions are claimed. Without Redis they
      // could not continue anyway.
      if (batch.progress.claimed && monotonic() + step.delayMs > until)
        return { kind: 'postponed', error: step.error };
      recorder.retried(step.reason);
      await chunk.waitFor(step.delayMs);
    }
  }

  async #try(batch: RunnableBatch, chunk: Chunk): Promise<Step> {
    await chunk.confirmOwnership();
    const { applier, monotonic, recorder, watched } = this.#options;
    const confirmOwnership = (): Promise<void> => chunk.confirmOwnership();
    const startedAt = monotonic();
    const applied = await watched(() => applier.apply({ ...batch, confirmOwnership })).finally(() =>
      recorder.applied((monotonic() - startedAt) / 1_000),
    );
    if (applied.kind !== 'waiting') return applied;
    const delayMs = backoffDelay(batch.progress.requests, batch.policy);
    const error = new RetryableError('an entity asks for another try');
    return { kind: 'again', reason: 'entity', delayMs, error };
  }

  async #afterError(error: unknown, outages: number, batch: RunnableBatch, chunk: Chunk): Promise<Step> {
    const { log, backoff } = this.#options;
    const { message, progress, policy } = batch;
    const where = { topic: message.topic, partition: message.partition, offset: message.offset };
    if (isRetryable(error)) {
      if (outages === 1) log.warn({ ...where, err: error }, 'a batch waits for a dependency');
      return { kind: 'again', reason: 'dependency', delayMs: backoffDelay(outages, backoff), error };
    }
    const fault = error instanceof SupersededError ? await this.#fenceFault(error, message, chunk) : error;
    if (fault === undefined) {
      log.warn(where, 'superseded: a later owner of the partition is ahead, nothing reported');
      return { kind: 'superseded' };
    }
    progress.faults += 1;
    if (progress.faults >= policy.maxAttempts) return { kind: 'given-up', error: fault };
    log.warn({ ...where, attempts: progress.attempts, err: fault }, 'a batch failed and is tried again');
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
    message: ReceivedMessage,
    chunk: Chunk,
  ): Promise<FenceAheadOfLogError | undefined> {
    await chunk.confirmOwnership();
    const { topic, partition } = message;
    const fence = error.details?.['fence'] as { offset: number } | undefined;
    if (fence === undefined || fence.offset < chunk.highWatermark) return undefined;
    if (fence.offset < (await this.#options.endOffset(topic, partition))) return undefined;
    return new FenceAheadOfLogError(message, fence.offset, error);
  }
}
