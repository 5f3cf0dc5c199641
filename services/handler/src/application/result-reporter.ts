import {
  encodeBatchResult,
  HEADERS,
  type AttemptedOutcome,
  type BatchResult,
  type TopicNames,
} from '@bulk/contracts';
import { isRetryable } from '@bulk/domain';
import type { MessageProducer, OutgoingMessage, ReceivedMessage } from '@bulk/kafka';
import { currentTraceparent, TRACEPARENT } from '@bulk/telemetry';
import type { BatchRecorder } from './batch-recorder.ts';
import type { ReportedBatch } from './lane-batch.ts';

export interface ResultReporterOptions {
  readonly producer: Pick<MessageProducer, 'send'>;
  readonly topics: Pick<TopicNames, 'results'>;
  readonly now: () => Date;
  readonly recorder: Pick<BatchRecorder, 'reported'>;
}

/** Results of one action that are sent together. All of them go to one partition. */
interface Sending {
  readonly messages: OutgoingMessage[];
  readonly sent: Promise<unknown>;
}

/**
 * Sends the results of batches to Kafka.
 *
 * Results of one action that are reported in the same turn of the event loop share a send. The
 * batches of a group settle together, so a group of one action costs one send. Each action has a
 * send of its own, because a send fails as a whole: an action whose partition of the results has no
 * leader does not hold back the others.
 */
export class ResultReporter {
  readonly #options: ResultReporterOptions;
  /** Action id → what is about to be sent. */
  readonly #next = new Map<string, Sending>();

  constructor(options: ResultReporterOptions) {
    this.#options = options;
  }

  /**
   * Sends the result of a batch and resolves when Kafka has confirmed it.
   *
   * @param source the message of the lane that brought the batch.
   * @throws ProduceError: the result may be in the topic or not. MalformedMessageError if the result
   * does not fit its schema.
   */
  async report(
    { generation, ...batch }: ReportedBatch,
    { topic, partition, offset }: ReceivedMessage,
    outcomes: readonly AttemptedOutcome[],
  ): Promise<void> {
    const source = { topic, partition, offset };
    const { now, recorder } = this.#options;
    const result: BatchResult = encodeBatchResult(batch, source, outcomes, now(), generation);
    const traceparent = currentTraceparent();
    await this.#send(result.actionId, {
      key: result.actionId,
      value: result,
      headers: {
        // The send may run in the context of another batch.
        ...(traceparent === undefined ? {} : { [TRACEPARENT]: traceparent }),
        [HEADERS.resultId]: result.resultId,
        [HEADERS.accountId]: result.accountId,
        [HEADERS.generation]: String(generation),
      },
    });
    recorder.reported(batch.identity.lane, outcomes);
  }

  /**
   * Sends a message with the others of its action.
   *
   * If one of them cannot be encoded, each is sent alone, so that it fails alone.
   */
  async #send(actionId: string, message: OutgoingMessage): Promise<void> {
    const sending = this.#next.get(actionId) ?? this.#begin(actionId);
    sending.messages.push(message);
    try {
      await sending.sent;
    } catch (error) {
      if (sending.messages.length === 1 || isRetryable(error)) throw error;
      await this.#options.producer.send(this.#options.topics.results, [message]);
    }
  }

  #begin(actionId: string): Sending {
    const messages: OutgoingMessage[] = [];
    const sent = new Promise((resolve) => setImmediate(resolve)).then(() => {
      this.#next.delete(actionId);
      return this.#options.producer.send(this.#options.topics.results, messages);
    });
    const sending = { messages, sent };
    this.#next.set(actionId, sending);
    return sending;
  }
}
