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

/** Why a message is given up. */
export interface GivenUp {
  readonly message: ReceivedMessage;
  readonly error: unknown;
  /** How often it was tried. */
  readonly attempts: number;
  /** The batch that the message is about, where more is known than its headers tell. */
  readonly batch?: BatchName | undefined;
}

/** Puts messages that cannot be processed away, whole, so that one of them stops no partition (G6). */
export class DeadLetters {
  readonly #producer: MessageProducer;
  readonly #topic: string;
  readonly #service: string;
  readonly #now: () => Date;
  readonly #onBuried: (code: string) => void;

  /** @param onBuried called with the cause of each letter that is confirmed. */
  constructor(
    producer: MessageProducer,
    topic: string,
    service: string,
    now: () => Date = () => new Date(),
    onBuried: (code: string) => void = () => undefined,
  ) {
    this.#producer = producer;
    this.#topic = topic;
    this.#service = service;
    this.#now = now;
    this.#onBuried = onBuried;
  }

  /**
   * Resolves when the dead letter is confirmed: original key, value and headers byte for byte, with cause and origin. Cause,
   * origin, batch and generation are headers, too, so that a tool tells letters apart without decoding them. A repetition
   * is possible and harmless.
   *
   * @throws ProduceError when that is not known.
   */
  async bury({ message, error, attempts, batch = batchNameOf(message.headers) }: GivenUp): Promise<void> {
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
    this.#onBuried(code);
  }
}

function bytesByName(headers: IHeaders): Record<string, Buffer> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      // A header that was sent more than once keeps its last value, as a map can hold one.
      const last = Array.isArray(value) ? value.at(-1) : value;
      return last === undefined ? [] : [[name, typeof last === 'string' ? Buffer.from(last) : last]];
    }),
  );
}
