import {
  changesOf,
  encodeBatchResult,
  HEADERS,
  type AttemptedOutcome,
  type BatchResult,
  type TopicNames,
} from '@bulk/contracts';
import { isRetryable } from '@bulk/domain';
import type { MessageProducer, OutgoingMessage, ReceivedMessage } from '@bulk/kafka';
import { currentTraceparent, TRACEPARENT } from '@bulk/runtime/telemetry';
import type { BatchRecorder } from './batch-recorder.ts';
import type { ReportedBatch } from './lane-batch.ts';

export interface ResultReporterOptions {
  readonly producer: Pick<MessageProducer, 'send'>;
  readonly topics: Pick<TopicNames, 'results'>;
  readonly now: () => Date;
  readonly recorder: Pick<BatchRecorder, 'reported'>;
}

/**
 * Maximum estimated size of the results that share a send, in bytes. They form one record set, and a
 * broker accepts record sets of 1 MB by default (`message.max.bytes`).
 */
const MAX_SEND_BYTES = 500_000;

/** Bytes of an outcome in addition to its texts, and maximum number of UTF-8 bytes of a character. */
const OUTCOME_BYTES = 32;
const CHARACTER_BYTES = 3;

/** Results of one action that are sent together. All of them go to one partition. */
interface Sending {
  readonly messages: OutgoingMessage[];
  bytes: number;
  readonly sent: Promise<unknown>;
}

/**
 * Sends the results of batches to Kafka.
 *
 * Results of one action that are reported in the same turn of the event loop share a send, up to a
 * number of bytes. The batches of a group settle together, so a group of one action costs one send. Each action has a
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
    const bytes = sizeOf(outcomes);
    await this.#send(result.actionId, bytes, {
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
  async #send(actionId: string, bytes: number, message: OutgoingMessage): Promise<void> {
    const next = this.#next.get(actionId);
    const hasRoom = next !== undefined && next.bytes + bytes <= MAX_SEND_BYTES;
    const sending = hasRoom ? next : this.#begin(actionId);
    sending.bytes += bytes;
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
      if (this.#next.get(actionId) === sending) this.#next.delete(actionId);
      return this.#options.producer.send(this.#options.topics.results, messages);
    });
    const sending: Sending = { messages, bytes: 0, sent };
    this.#next.set(actionId, sending);
    return sending;
  }
}

/** Returns an upper bound of the encoded size of outcomes, in bytes. */
function sizeOf(outcomes: readonly AttemptedOutcome[]): number {
  let bytes = 0;
  for (const { entityId, ref, outcome } of outcomes) {
    const characters =
      entityId.length +
      (ref?.length ?? 0) +
      (outcome.code?.length ?? 0) +
      (outcome.message?.length ?? 0) +
      (changesOf(outcome)?.length ?? 0);
    bytes += OUTCOME_BYTES + characters * CHARACTER_BYTES;
  }
  return bytes;
}
