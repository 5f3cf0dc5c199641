import {
  decodeEntityBatch,
  encodeBatchResult,
  laneOfTopic,
  MalformedMessageError,
  MESSAGES,
  type AttemptedOutcome,
  type BatchResult,
  type EntityBatchContent,
  type TopicNames,
} from '@bulk/contracts';
import { failure, OUTCOME_CODES, SupersededError, type LanePosition } from '@bulk/domain';
import type {
  Chunk,
  DeadLetters,
  FailureDisposition,
  MessageCodec,
  MessageProducer,
  ReceivedMessage,
} from '@bulk/kafka';
import type { Logger } from '@bulk/runtime';
import type { BatchApplier } from '../apply/batch-applier.ts';
import { FenceAheadOfLogError } from './fence-ahead-of-log-error.ts';
import { isTransient } from '@bulk/kafka';

export interface BatchConsumerOptions {
  readonly topics: TopicNames;
  readonly codec: MessageCodec;
  readonly applier: BatchApplier;
  readonly producer: MessageProducer;
  readonly deadLetters: DeadLetters;
  /** Tries of a batch that fails for a reason that is not known to pass. */
  readonly maxAttempts: number;
  readonly now: () => Date;
  readonly log: Logger;
}

/**
 * What becomes of a message of a lane: decode, apply, produce the result; the offset is committed after that. In this
 * order, so that a crash anywhere leads to a redelivery and never to a gap (G2). The next message of a partition is
 * applied only when the result of this one is confirmed: therefore an entity whose fence is ahead proves that the result
 * of this batch is in Kafka already (see SupersededError).
 */
export class BatchConsumer {
  readonly #options: BatchConsumerOptions;

  constructor(options: BatchConsumerOptions) {
    this.#options = options;
  }

  async process(chunk: Chunk): Promise<void> {
    for (const message of chunk.messages) {
      await this.#processMessage(message, chunk);
      await chunk.heartbeat();
    }
  }

  async onFailure(error: unknown, chunk: Chunk): Promise<FailureDisposition> {
    const { log, maxAttempts, deadLetters } = this.#options;
    const attempts = chunk.previousAttempts + 1;
    const [message] = chunk.messages;
    const where = { topic: chunk.topic, partition: chunk.partition, offset: message?.offset, attempts };
    if (message === undefined) return 'skip';
    if (isTransient(error)) {
      if (attempts === 1) log.warn({ ...where, err: error }, 'a batch waits for a dependency');
      return 'retry';
    }
    if (!(error instanceof MalformedMessageError) && attempts < maxAttempts) {
      log.warn({ ...where, err: error }, 'a batch failed and is tried again');
      return 'retry';
    }
    log.error({ ...where, err: error }, 'a batch is given up: see the dead letters');
    await deadLetters.bury({ message, error, attempts });
    await this.#reportDeadLettered(message, error, attempts);
    return 'skip';
  }

  async #processMessage(message: ReceivedMessage, chunk: Chunk): Promise<void> {
    const content = await this.#decode(message);
    const at = this.#lanePosition(message);
    try {
      const outcomes = await this.#options.applier.apply({
        content,
        at,
        previousAttempts: chunk.previousAttempts,
      });
      if (outcomes === undefined) {
        this.#options.log.info(
          { ...at, actionId: content.identity.actionId, batchNo: content.batchNo },
          'second copy of a batch dropped',
        );
        return;
      }
      await this.#report(content, message, outcomes);
    } catch (error) {
      if (!(error instanceof SupersededError)) throw error;
      await this.#onSuperseded(error, message, chunk);
    }
  }

  /**
   * A later batch has changed an entity, so this partition has another owner and this batch's result is in Kafka. Only a
   * topic that was deleted and created anew, with lower offsets than the fences, could look the same: then we still own
   * the partition, the fence is beyond the end of the log, and going on in silence would lose outcomes.
   */
  async #onSuperseded(error: SupersededError, message: ReceivedMessage, chunk: Chunk): Promise<void> {
    await chunk.heartbeat(); // rejects when the partition is lost
    const fence = error.details?.['fence'] as { offset: number } | undefined;
    if (fence !== undefined && fence.offset >= chunk.highWatermark) {
      throw new FenceAheadOfLogError(message, fence.offset, error);
    }
    this.#options.log.warn(
      { topic: message.topic, partition: message.partition, offset: message.offset },
      'superseded: a later owner of the partition is ahead, nothing reported',
    );
  }

  async #decode(message: ReceivedMessage): Promise<EntityBatchContent> {
    return decodeEntityBatch(await this.#options.codec.decode(MESSAGES.entityBatch, message.value));
  }

  #lanePosition({ topic, partition, offset }: ReceivedMessage): LanePosition {
    const lane = laneOfTopic(this.#options.topics, topic);
    if (lane === undefined) throw new MalformedMessageError(`${topic} is not the topic of a lane`);
    return { lane, partition, offset };
  }

  async #report(
    content: EntityBatchContent,
    message: ReceivedMessage,
    outcomes: readonly AttemptedOutcome[],
  ): Promise<void> {
    const { topic, partition, offset } = message;
    const result: BatchResult = encodeBatchResult(
      content,
      { topic, partition, offset },
      outcomes,
      this.#options.now(),
    );
    await this.#options.producer.send(this.#options.topics.results, [
      {
        key: result.actionId,
        value: result,
        headers: { 'result-id': result.resultId, 'account-id': result.accountId },
      },
    ]);
  }

  /** The positions of a batch that can be read fail, so that the action still completes. */
  async #reportDeadLettered(message: ReceivedMessage, error: unknown, attempts: number): Promise<void> {
    let content: EntityBatchContent;
    try {
      content = await this.#decode(message);
    } catch (unreadable) {
      if (unreadable instanceof MalformedMessageError) return;
      throw unreadable;
    }
    const reason = error instanceof Error ? error.message : String(error);
    const outcome = failure(OUTCOME_CODES.DEAD_LETTERED, `the batch could not be processed: ${reason}`);
    await this.#report(
      content,
      message,
      content.entities.map(({ position, id, ref }) => ({ position, entityId: id, ref, outcome, attempts })),
    );
  }
}
