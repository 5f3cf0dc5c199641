import {
  batchNameOf,
  DEAD_LETTER_HEADERS,
  HEADERS,
  headerText,
  type BatchName,
  type DeadLetter,
} from '@bulk/contracts';
import { CodedError } from '@bulk/domain';
import type { IHeaders } from 'kafkajs';
import type { ReceivedMessage } from './chunk-consumer.ts';
import type { MessageProducer } from '../producer/message-producer.ts';

/** A message that is given up, and the reason. */
export interface GivenUp {
  readonly message: ReceivedMessage;
  readonly error: unknown;
  /** Number of tries. */
  readonly attempts: number;
  /** The batch that the message is about, if the caller knows more than the headers say. */
  readonly batch?: BatchName | undefined;
}

/** Dead-letters messages that cannot be processed, complete, so that none of them blocks its partition (G6). */
export class DeadLetters {
  readonly #producer: MessageProducer;
  readonly #topic: string;
  readonly #service: string;
  readonly #now: () => Date;
  readonly #onAdded: (code: string) => void;

  /** @param onAdded called with the error code of each dead letter that Kafka has confirmed. */
  constructor(
    producer: MessageProducer,
    topic: string,
    service: string,
    now: () => Date = () => new Date(),
    onAdded: (code: string) => void = () => undefined,
  ) {
    this.#producer = producer;
    this.#topic = topic;
    this.#service = service;
    this.#now = now;
    this.#onAdded = onAdded;
  }

  /**
   * Dead-letters a message: original key, value and headers byte for byte, with cause and origin. Resolves when Kafka
   * has confirmed it. A repetition is possible and harmless.
   *
   * Cause, origin, batch and generation are also headers, so that a tool can distinguish dead letters without decoding
   * them.
   *
   * @throws ProduceError if Kafka does not confirm the dead letter.
   */
  async add({ message, error, attempts, batch = batchNameOf(message.headers) }: GivenUp): Promise<void> {
    const code = error instanceof CodedError ? error.code : 'PROCESSING_ERROR';
    const letter: DeadLetter = {
      service: this.#service,
      code,
      message: error instanceof Error ? error.message : String(error),
      attempts,
      topic: message.topic,
      partition: message.partition,
      offset: message.offset,
      key: message.key,
      value: message.value,
      headers: bytesByName(message.headers),
      failedAt: this.#now().getTime(),
    };
    const generation = headerText(message.headers, HEADERS.generation);
    const headers = {
      [DEAD_LETTER_HEADERS.code]: code,
      [DEAD_LETTER_HEADERS.service]: this.#service,
      [DEAD_LETTER_HEADERS.attempts]: String(attempts),
      [DEAD_LETTER_HEADERS.origin]: `${message.topic}/${message.partition}/${message.offset}`,
      ...(batch === undefined
        ? {}
        : { [HEADERS.actionId]: batch.actionId, [HEADERS.batchNo]: String(batch.batchNo) }),
      ...(generation === undefined ? {} : { [HEADERS.generation]: generation }),
    };
    await this.#producer.send(this.#topic, [{ key: message.key, value: letter, headers }]);
    this.#onAdded(code);
  }
}

function bytesByName(headers: IHeaders): Record<string, Buffer> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      // A map holds one value per name, so a header that was sent more than once keeps its last value.
      const last = Array.isArray(value) ? value.at(-1) : value;
      return last === undefined ? [] : [[name, typeof last === 'string' ? Buffer.from(last) : last]];
    }),
  );
}
