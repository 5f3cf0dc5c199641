import { RETRY_TIERS, type TopicNames } from '@bulk/contracts';
import { CodedError } from '@bulk/domain';
import type { MessageProducer } from '@bulk/kafka';
import { STORE_UNAVAILABLE } from '@bulk/mongo';
import type { Logger } from '@bulk/runtime';
import type { BatchRecorder } from '../application/batch-recorder.ts';
import type { LaneBatch } from '../application/lane-batch.ts';
import { encodeRetryHeaders } from './retry-headers.ts';

export interface RetryTopicsOptions {
  readonly producer: MessageProducer;
  readonly topics: TopicNames;
  /** The delay of each tier, in ms, the shortest first. */
  readonly tiersMs: readonly number[];
  /** How long after its first try a batch may still be postponed, in ms. */
  readonly maxAgeMs: number;
  readonly now: () => Date;
  /**
   * Records in the action that a batch waits, so that the dispatch of the action continues
   * meanwhile.
   */
  readonly mark: (actionId: string, batchNo: number) => Promise<void>;
  readonly recorder: Pick<BatchRecorder, 'postponed'>;
  readonly log: Logger;
}

/**
 * Postpones batches that would hold their partition for too long.
 *
 * There is a topic per tier, each with one delay, so that the head of a partition falls due first.
 * Each time a batch moves one tier further; the last tier is repeated.
 */
export class RetryTopics {
  readonly #options: RetryTopicsOptions;

  constructor(options: RetryTopicsOptions) {
    this.#options = options;
  }

  /**
   * Puts a batch into its retry topic, byte for byte, with what is settled of the batch.
   *
   * @param cause why the batch waits.
   * @returns `false` if the batch has already waited for too long. Then nothing is done.
   * @throws ProduceError: the batch may be in the topic or not. A second copy does no harm.
   */
  async postpone(batch: LaneBatch, cause?: unknown): Promise<boolean> {
    const { message, postponed, firstTriedAt, progress } = batch;
    const { producer, topics, tiersMs, maxAgeMs, now, recorder } = this.#options;
    const at = now().getTime();
    if (at - firstTriedAt >= maxAgeMs) return false;
    const tier = Math.min(postponed, RETRY_TIERS.length - 1);
    const headers = encodeRetryHeaders({
      message,
      postponed: postponed + 1,
      firstTriedAt,
      notBefore: at + (tiersMs[tier] ?? 0),
      progress: progress.snapshot(),
      effects: progress.effects(),
      changes: progress.changes(),
    });
    await this.#mark(batch, cause);
    const { key, value, partition } = message;
    const name = RETRY_TIERS[tier] ?? 'long';
    await producer.forward(topics.retries[name], [{ key, value, partition, headers }]);
    recorder.postponed(name);
    return true;
  }

  /**
   * Records that the batch is postponed.
   *
   * This happens before the batch is sent, so that its result cannot be counted before the mark
   * exists. A missing mark does no harm: the batch counts as in flight.
   */
  async #mark({ content, generation }: LaneBatch, cause: unknown): Promise<void> {
    // A replayed batch is already counted. If MongoDB is unavailable, the mark would only take the
    // time of a try.
    if (generation > 0 || (cause instanceof CodedError && cause.code === STORE_UNAVAILABLE)) return;
    const { mark, log } = this.#options;
    const { identity, batchNo } = content;
    try {
      await mark(identity.actionId, batchNo);
    } catch (error) {
      log.warn({ actionId: identity.actionId, batchNo, err: error }, 'Postponed batch not recorded');
    }
  }
}
