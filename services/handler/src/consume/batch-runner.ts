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
import type { BatchApplier, BatchAt } from '../apply/batch-applier.ts';
import type { BatchRecorder, RetryReason } from './batch-recorder.ts';
import { FenceAheadOfLogError } from './fence-ahead-of-log-error.ts';

export interface BatchRunnerOptions {
  readonly applier: Pick<BatchApplier, 'apply'>;
  /** Between tries while a dependency is away. */
  readonly backoff: BackoffOptions;
  /** The end of a partition's log as of now; asked when a fence seems to lie beyond it. */
  readonly endOffset: (topic: string, partition: number) => Promise<number>;
  /** Longest time that a batch holds its partition; then it is postponed. In ms. */
  readonly inPlaceMs: number;
  /** Runs a try; readiness follows what becomes of it, try by try, since a batch may wait here for long. */
  readonly watched: <T>(work: () => Promise<T>) => Promise<T>;
  /** Monotonic clock, in ms. */
  readonly monotonic: () => number;
  readonly recorder: Pick<BatchRecorder, 'applied' | 'retried'>;
  readonly log: Logger;
}

/** A batch with the message of its lane that brought it, also where it comes from a retry topic. */
export interface RunnableBatch extends BatchAt {
  readonly message: ReceivedMessage;
  /** When it was taken up first, in ms since the epoch. */
  readonly firstTriedAt: number;
  /** How often it was put into a retry topic. */
  readonly postponed: number;
}

/**
 * How work on a batch ends: with all outcomes; in silence, since another copy or owner reports it; put off, since it
 * holds its partition for too long; or given up, with those outcomes that are settled.
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

/** Tries a batch until it comes to an end, waiting in between with heartbeats going on. */
export class BatchRunner {
  readonly #options: BatchRunnerOptions;

  constructor(options: BatchRunnerOptions) {
    this.#options = options;
  }

  /** @throws when the partition is lost or the consumer is to stop: the batch is to be left as it is. */
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
      // Only with its first positions claimed may it be overtaken; without Redis those behind it could not go on anyway.
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
   * A later batch has changed an entity, so this partition has another owner and this batch's result, or the batch in a
   * retry topic, is in Kafka. Only a topic that was deleted and created anew, with lower offsets than the fences, could look the same: then the fence is
   * beyond the end of the log, and going on in silence would lose outcomes. The end is asked for: the one that came with
   * the fetch is as old as a stall was long, and what was appended since is what the later owner has applied.
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
