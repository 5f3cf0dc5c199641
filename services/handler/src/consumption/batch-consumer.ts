import {
  decodeEntityBatch,
  encodeBatchResult,
  generationOf,
  HEADERS,
  laneOfTopic,
  MalformedMessageError,
  MESSAGES,
  type AttemptedOutcome,
  type BatchResult,
  type EntityBatchContent,
  type TopicNames,
} from '@bulk/contracts';
import {
  deadLettered,
  deadLetteredOutcomes,
  isRetryable,
  type LanePosition,
  type RetryPolicy,
} from '@bulk/domain';
import type {
  Chunk,
  DeadLetters,
  FailureDisposition,
  MessageCodec,
  MessageProducer,
  ReceivedMessage,
} from '@bulk/kafka';
import type { Logger } from '@bulk/runtime';
import { BatchProgress } from '../application/batch-progress.ts';
import { decodeRetryHeaders } from '../retry/retry-headers.ts';
import type { RetryTopics } from '../retry/retry-topics.ts';
import type { BatchEnd, BatchRecorder } from './batch-recorder.ts';
import type { BatchRunner, RunEnd, RunnableBatch } from './batch-runner.ts';
import type { DeadBatches } from '../dead-letters/dead-batches.ts';
import type { EndedActions } from './ended-actions.ts';

export interface BatchConsumerOptions {
  readonly topics: TopicNames;
  readonly codec: Pick<MessageCodec, 'decode'>;
  readonly runner: Pick<BatchRunner, 'run'>;
  readonly producer: Pick<MessageProducer, 'send'>;
  readonly deadLetters: Pick<DeadLetters, 'bury'>;
  readonly deadBatches: Pick<DeadBatches, 'identify'>;
  readonly endedActions: Pick<EndedActions, 'isRepetition'>;
  readonly retryTopics: Pick<RetryTopics, 'postpone'>;
  readonly policyOf: (content: EntityBatchContent) => RetryPolicy;
  /**
   * Maximum number of tries of a message that cannot be processed at all for a reason that is not
   * known to be transient.
   */
  readonly maxAttempts: number;
  readonly now: () => Date;
  readonly recorder: Pick<BatchRecorder, 'ended' | 'reported'>;
  readonly log: Logger;
}

/**
 * Processes the messages of a lane: decodes the batch, applies it and produces the result. The
 * offset is committed after that.
 *
 * Because of this order, a crash anywhere leads to a redelivery and never to a gap (G2). The next
 * message of a partition is applied only when the result of this one is confirmed. Therefore an
 * entity whose fence is ahead proves that the result of this batch is already in Kafka (see
 * SupersededError).
 */
export class BatchConsumer {
  readonly #options: BatchConsumerOptions;
  /**
   * The work per message. A retried chunk brings the same messages, so that finished work is not
   * repeated.
   */
  readonly #works = new WeakMap<ReceivedMessage, Work>();

  constructor(options: BatchConsumerOptions) {
    this.#options = options;
  }

  async process(chunk: Chunk): Promise<void> {
    for (const message of chunk.messages) await this.#processMessage(message, chunk);
  }

  /**
   * Handles failures that the runner does not see: a message that cannot be read, a result that is
   * not confirmed.
   */
  async onFailure(error: unknown, chunk: Chunk): Promise<FailureDisposition> {
    const { log, maxAttempts } = this.#options;
    const attempts = chunk.previousAttempts + 1;
    const [message] = chunk.messages;
    const where = { topic: chunk.topic, partition: chunk.partition, offset: message?.offset, attempts };
    if (message === undefined) return 'skip';
    if (isRetryable(error)) {
      if (attempts === 1) log.warn({ ...where, err: error }, 'a batch waits for a dependency');
      return 'retry';
    }
    if (!(error instanceof MalformedMessageError) && attempts < maxAttempts) {
      log.warn({ ...where, err: error }, 'a batch failed and is tried again');
      return 'retry';
    }
    await this.#giveUp(this.#laneMessage(message), error, attempts, this.#workOn(message));
    return 'skip';
  }

  #workOn(message: ReceivedMessage): Work {
    const work = this.#works.get(message) ?? { isBuried: false };
    this.#works.set(message, work);
    return work;
  }

  async #processMessage(message: ReceivedMessage, chunk: Chunk): Promise<void> {
    const work = this.#workOn(message);
    const batch = (work.batch ??= await this.#open(message));
    if (work.end === undefined && (await this.#options.endedActions.isRepetition(resultOf(batch)))) {
      this.#ended(batch, 'action-ended');
      return;
    }
    const end = (work.end ??= await this.#options.runner.run(batch, chunk));
    // A handler that stalled has been overtaken. The new owner has reported the outcomes, or will
    // report them.
    await chunk.confirmOwnership();
    switch (end.kind) {
      case 'settled':
        await this.#report(resultOf(batch), batch.message, end.outcomes);
        this.#ended(batch, end.kind);
        break;
      case 'published-twice':
        this.#ended(batch, end.kind);
        this.#options.log.info(
          {
            ...batch.at,
            actionId: batch.content.identity.actionId,
            batchNo: batch.content.batchNo,
            generation: batch.generation,
          },
          'second copy of a batch dropped',
        );
        break;
      case 'postponed':
        if (await this.#options.retryTopics.postpone(batch, end.error)) {
          this.#ended(batch, 'postponed');
          const { postponed, progress } = batch;
          this.#options.log.warn(
            { ...batch.at, postponed: postponed + 1, attempts: progress.attempts, err: end.error },
            'a batch waits in a retry topic',
          );
        } else await this.#giveUpOpen(batch, end.error, work);
        break;
      case 'given-up':
        await this.#giveUpOpen(batch, end.error, work);
        break;
      case 'superseded':
        this.#ended(batch, end.kind);
    }
  }

  /** @throws MalformedMessageError; RegistryUnavailableError. */
  async #open(received: ReceivedMessage): Promise<RunnableBatch> {
    const { policyOf, now } = this.#options;
    const overtaken = this.#isRetry(received);
    const waited = overtaken ? decodeRetryHeaders(received) : undefined;
    const message = waited?.message ?? received;
    const content = await this.#decode(message);
    return {
      message,
      content,
      at: this.#lanePosition(message),
      generation: generationOf(message.headers),
      policy: policyOf(content),
      overtaken,
      progress: waited === undefined ? new BatchProgress() : BatchProgress.from(waited.progress),
      firstTriedAt: waited?.firstTriedAt ?? now().getTime(),
      postponed: waited?.postponed ?? 0,
    };
  }

  /**
   * Returns the message as it came out of its lane, if it comes from a retry topic and its headers
   * can be read.
   */
  #laneMessage(received: ReceivedMessage): ReceivedMessage {
    if (!this.#isRetry(received)) return received;
    try {
      return decodeRetryHeaders(received).message;
    } catch (error) {
      if (error instanceof MalformedMessageError) return received;
      throw error;
    }
  }

  #isRetry({ topic }: ReceivedMessage): boolean {
    return Object.values(this.#options.topics.retries).includes(topic);
  }

  async #decode({ value }: ReceivedMessage): Promise<EntityBatchContent> {
    return decodeEntityBatch(await this.#options.codec.decode(MESSAGES.entityBatch, value));
  }

  #lanePosition({ topic, partition, offset }: ReceivedMessage): LanePosition {
    const lane = laneOfTopic(this.#options.topics, topic);
    if (lane === undefined) throw new MalformedMessageError(`${topic} is not the topic of a lane`);
    return { lane, partition, offset };
  }

  async #report(
    { generation, ...batch }: ReportedBatch,
    { topic, partition, offset }: ReceivedMessage,
    outcomes: readonly AttemptedOutcome[],
  ): Promise<void> {
    const source = { topic, partition, offset };
    const result: BatchResult = encodeBatchResult(batch, source, outcomes, this.#options.now(), generation);
    const { producer, topics, recorder } = this.#options;
    await producer.send(topics.results, [
      {
        key: result.actionId,
        value: result,
        headers: {
          [HEADERS.resultId]: result.resultId,
          [HEADERS.accountId]: result.accountId,
          [HEADERS.generation]: String(generation),
        },
      },
    ]);
    recorder.reported(batch.identity.lane, outcomes);
  }

  #ended({ at: { lane } }: Pick<RunnableBatch, 'at'>, end: BatchEnd): void {
    this.#options.recorder.ended(lane, end);
  }

  /**
   * Dead-letters a message that cannot be processed. All positions of its batch fail, so that the
   * action still completes.
   */
  async #giveUp(message: ReceivedMessage, error: unknown, attempts: number, work: Work): Promise<void> {
    const { topic, partition, offset } = message;
    const dead = await this.#options.deadBatches.identify(message, (unread) => this.#decode(unread));
    if (dead !== undefined && (await this.#options.endedActions.isRepetition(dead))) {
      this.#options.recorder.ended(dead.identity.lane, 'action-ended');
      return;
    }
    await this.#bury(message, error, attempts, dead, work);
    if (dead === undefined) {
      const where = { topic, partition, offset };
      this.#options.log.error(
        where,
        'Positions of a dead-lettered batch are unknown; its action will not complete',
      );
      return;
    }
    await this.#report(dead, message, deadLetteredOutcomes(dead.entities, 'batch', attempts));
    this.#options.recorder.ended(dead.identity.lane, 'dead-lettered');
  }

  /** Dead-letters a batch that was processed in part. Its open positions fail. */
  async #giveUpOpen(
    { message, progress, ...batch }: RunnableBatch,
    error: unknown,
    work: Work,
  ): Promise<void> {
    const dead = resultOf(batch);
    await this.#bury(message, error, progress.attempts, dead, work);
    await this.#report(dead, message, progress.outcomes(batch.content.entities, deadLettered('batch')));
    this.#ended(batch, 'dead-lettered');
  }

  /**
   * Writes one dead letter, however often the later steps are tried. Only a crash or a new owner
   * causes a second one.
   */
  async #bury(
    message: ReceivedMessage,
    error: unknown,
    attempts: number,
    dead: ReportedBatch | undefined,
    work: Work,
  ): Promise<void> {
    if (work.isBuried) return;
    const { topic, partition, offset } = message;
    const { log, deadLetters } = this.#options;
    log.error(
      { topic, partition, offset, attempts, err: error },
      'a batch is given up: see the dead letters',
    );
    const batch = dead && { actionId: dead.identity.actionId, batchNo: dead.batchNo };
    await deadLetters.bury({ message, error, attempts, batch });
    work.isBuried = true;
  }
}

/** The state of the work on a message, over all tries of its chunk. */
interface Work {
  batch?: RunnableBatch;
  /** How the work on the batch ended. If its report fails, only the report is tried again. */
  end?: RunEnd;
  isBuried: boolean;
}

/** What a result says of its batch in addition to the outcomes. */
type ReportedBatch = Pick<EntityBatchContent, 'identity' | 'batchNo'> & { readonly generation: number };

function resultOf({
  content: { identity, batchNo },
  generation,
}: Pick<RunnableBatch, 'content' | 'generation'>): ReportedBatch {
  return { identity, batchNo, generation };
}
