import { CodedError, DependencyError } from '@bulk/domain';
import type { Logger } from '@bulk/runtime';
import { currentTraceparent, TRACEPARENT } from '@bulk/telemetry';
import {
  Partitioners,
  type IHeaders,
  type Kafka,
  type Message,
  type Producer,
  type RecordMetadata,
} from 'kafkajs';
import { kafkaFault } from './errors.ts';
import type { MessageCodec } from './message-codec.ts';

/** Code of a ProduceError. */
export const PRODUCE_FAILED = 'PRODUCE_FAILED';

/** Thrown when Kafka did not confirm a send: the messages may or may not be there. Sending again is safe, see G2, G3. */
export class ProduceError extends DependencyError {
  constructor(topic: string, cause: unknown) {
    const fault = kafkaFault(cause);
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(PRODUCE_FAILED, `Kafka did not confirm messages for ${topic} (${fault}): ${reason}`, fault, cause);
  }
}

export interface OutgoingMessage {
  readonly key: string | Buffer | null;
  readonly value: unknown;
  /** When absent, by Kafka's default hash of the key. */
  readonly partition?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A message that is sent as it is. */
export interface RawMessage {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly partition: number;
  readonly headers: IHeaders;
}

/**
 * Sends messages with acks of all in-sync replicas, idempotently within its session.
 *
 * kafkajs keeps order and sequence numbers only with one request in flight (tulios/kafkajs#598, #980), so throughput
 * comes from many messages per send. While it retries a send whose answer is missing, it gives that one's sequence number to
 * any other of the same partition, which the broker then confirms as a repetition and drops: sends of a topic are therefore
 * made one after the other. After a failed send the sequence is unknown to it (#1282): the producer is replaced before the
 * next one. What it had sent may be there: who sends it again is recognised (G2, G3), by whichever producer.
 *
 * There is no transactional id: with one, a producer that follows another waits for the broker to end that one's
 * transaction (CONCURRENT_TRANSACTIONS, #296, #304), and exactly-once comes from identities, not from transactions.
 */
export class MessageProducer {
  readonly #kafka: Kafka;
  readonly #codec: MessageCodec;
  readonly #log: Logger;
  /** By topic: settles when the last send that was asked for has. */
  readonly #lastSends = new Map<string, Promise<unknown>>();
  #producer: Promise<Producer> | undefined;
  #closed = false;

  private constructor(kafka: Kafka, codec: MessageCodec, log: Logger) {
    this.#kafka = kafka;
    this.#codec = codec;
    this.#log = log;
  }

  /** Connects at once, so that a missing broker shows at start. */
  static async connect(kafka: Kafka, codec: MessageCodec, log: Logger): Promise<MessageProducer> {
    const producer = new MessageProducer(kafka, codec, log);
    await producer.#connected();
    return producer;
  }

  /**
   * Resolves when every message is confirmed. Each names the active span, where it names none itself.
   *
   * @throws ProduceError when that is not known; the codec's MalformedMessageError when a value does not fit its schema.
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
   * Sends messages byte for byte; resolves when every one is confirmed.
   *
   * @throws ProduceError when that is not known.
   */
  async forward(topic: string, messages: readonly RawMessage[]): Promise<void> {
    await this.#produce(topic, [...messages]);
  }

  /** One after the other: none begins before it is known what has become of the one before. */
  #produce(topic: string, messages: Message[]): Promise<RecordMetadata[]> {
    const before = this.#lastSends.get(topic) ?? Promise.resolve();
    const sent = before.then(() => this.#produceNow(topic, messages));
    this.#lastSends.set(
      topic,
      sent.catch(() => undefined),
    );
    return sent;
  }

  async #produceNow(topic: string, messages: Message[]): Promise<RecordMetadata[]> {
    const current = this.#connected();
    try {
      const producer = await current;
      return await producer.send({ topic, acks: -1, messages });
    } catch (cause) {
      await this.#replace(current);
      throw new ProduceError(topic, cause);
    }
  }

  /**
   * Opens what a failed send has closed, so that it shows that Kafka is back; of one that is open, its next send tells.
   *
   * @throws kafkajs' error when there is no producer to be had.
   */
  async ping(): Promise<void> {
    const current = this.#connected();
    try {
      await current;
    } catch (error) {
      await this.#replace(current);
      throw error;
    }
  }

  async disconnect(): Promise<void> {
    this.#closed = true;
    const current = this.#producer;
    this.#producer = undefined;
    if (current !== undefined) await disconnectQuietly(current, this.#log);
  }

  #connected(): Promise<Producer> {
    if (this.#closed) return Promise.reject(new CodedError('PRODUCER_CLOSED', 'the producer is closed'));
    this.#producer ??= this.#open();
    return this.#producer;
  }

  async #open(): Promise<Producer> {
    const producer = this.#kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    return producer;
  }

  async #replace(failed: Promise<Producer>): Promise<void> {
    if (this.#producer !== failed) return;
    this.#producer = undefined;
    await disconnectQuietly(failed, this.#log);
  }
}

async function disconnectQuietly(producer: Promise<Producer>, log: Logger): Promise<void> {
  try {
    await (await producer).disconnect();
  } catch (error) {
    log.debug({ err: error }, 'a producer could not be disconnected cleanly');
  }
}
