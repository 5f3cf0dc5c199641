import type { Logger } from '@bulk/runtime';
import { currentTraceparent, TRACEPARENT } from '@bulk/runtime/telemetry';
import type { IHeaders, Kafka, Message, RecordMetadata } from 'kafkajs';
import { DEFAULT_DELIVERY_TIMEOUT_MS } from '../client/config.ts';
import type { MessageCodec } from '../registry/message-codec.ts';
import { PartitionChooser } from './partition-chooser.ts';
import { PartitionQueues } from './partition-queues.ts';
import { ProduceError } from './produce-error.ts';
import { NoSessionError, ProducerSessions } from './sessions.ts';

export { PRODUCE_FAILED, ProduceError } from './produce-error.ts';

export interface OutgoingMessage {
  readonly key: string | Buffer | null;
  readonly value: unknown;
  /** Default: Kafka's default hash of the key decides. */
  readonly partition?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A message that is sent unchanged. */
export interface RawMessage {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly partition: number;
  readonly headers: IHeaders;
}

export interface ProducerOptions {
  /** Maximum time of a send in ms, including the wait for earlier sends to its partitions. */
  readonly deliveryTimeoutMs: number;
}

/**
 * Sends messages with acks of all in-sync replicas, idempotently within a session (see ProducerSessions).
 *
 * Messages of one partition are sent in the order of the calls. Sends that are requested while a request is under way
 * share the next request, and brokers are independent of each other (see PartitionQueues). The messages of a failed
 * send may have arrived: the receiver recognises a repetition (G2, G3), whichever producer sends it.
 *
 * There is no transactional id. With one, a successor would wait until the broker has ended the transaction of the
 * producer before it (CONCURRENT_TRANSACTIONS, #296, #304). Exactly-once comes from identities, not from transactions.
 */
export class MessageProducer {
  readonly #codec: Pick<MessageCodec, 'encode'>;
  readonly #chooser: PartitionChooser;
  readonly #sessions: ProducerSessions;
  readonly #queues: PartitionQueues;

  private constructor(
    kafka: Pick<Kafka, 'producer' | 'admin'>,
    codec: Pick<MessageCodec, 'encode'>,
    log: Logger,
    { deliveryTimeoutMs }: ProducerOptions,
  ) {
    this.#codec = codec;
    this.#chooser = new PartitionChooser(kafka);
    this.#sessions = new ProducerSessions(kafka, log);
    this.#queues = new PartitionQueues((batches, delivery) => this.#sessions.send(batches, delivery), {
      timeoutMs: deliveryTimeoutMs,
      leaderOf: (topic, partition) => this.#chooser.leaderOf(topic, partition),
    });
  }

  /** Connects at once, so that a missing broker shows at the start. */
  static async connect(
    kafka: Pick<Kafka, 'producer' | 'admin'>,
    codec: Pick<MessageCodec, 'encode'>,
    log: Logger,
    options: ProducerOptions = { deliveryTimeoutMs: DEFAULT_DELIVERY_TIMEOUT_MS },
  ): Promise<MessageProducer> {
    const producer = new MessageProducer(kafka, codec, log, options);
    await producer.ping();
    return producer;
  }

  /**
   * Sends messages and resolves when every message is confirmed. A message without a trace header gets the active
   * span's.
   *
   * @throws ProduceError if a message is not confirmed.
   * @throws MalformedMessageError if a value does not fit its schema.
   */
  async send(topic: string, messages: readonly OutgoingMessage[]): Promise<RecordMetadata[]> {
    if (messages.length === 0) return [];
    const traceparent = currentTraceparent();
    const traced = traceparent === undefined ? {} : { [TRACEPARENT]: traceparent };
    const encoded = await Promise.all(
      messages.map(async ({ key, value, partition, headers }) => ({
        key,
        value: await this.#codec.encode(topic, value),
        ...(partition === undefined ? {} : { partition }),
        headers: { ...traced, ...headers },
      })),
    );
    return this.#produce(topic, encoded);
  }

  /**
   * Sends messages byte for byte and resolves when every message is confirmed.
   *
   * @throws ProduceError if a message is not confirmed.
   */
  async forward(topic: string, messages: readonly RawMessage[]): Promise<void> {
    await this.#produce(topic, messages);
  }

  async #produce(topic: string, messages: readonly Message[]): Promise<RecordMetadata[]> {
    try {
      return await this.#queues.send(topic, await this.#chooser.place(topic, messages));
    } catch (error) {
      // The topic may have been created again, with other partitions.
      this.#chooser.forget(topic);
      throw error instanceof ProduceError ? error : new ProduceError(topic, error);
    }
  }

  /**
   * Opens a session if a failed send has closed it, to find out whether Kafka is back. An open session is not checked:
   * its next send shows it.
   *
   * @throws kafkajs' error if no producer can be opened.
   */
  async ping(): Promise<void> {
    try {
      await this.#sessions.ready();
    } catch (error) {
      throw error instanceof NoSessionError ? error.cause : error;
    }
  }

  async disconnect(): Promise<void> {
    await this.#sessions.close();
  }
}
