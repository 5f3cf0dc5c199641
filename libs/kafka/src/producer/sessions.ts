import { CodedError } from '@bulk/domain';
import { delay, type Logger } from '@bulk/runtime';
import { Partitioners, type Kafka, type Producer, type RecordMetadata } from 'kafkajs';
import type { PlacedMessage } from './partition-chooser.ts';

/** Thrown if there is no producer, because it cannot be opened or is closed. No partition is to blame. */
export class NoSessionError extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Messages of one topic. */
export interface TopicMessages {
  readonly topic: string;
  readonly messages: readonly PlacedMessage[];
}

/** Options of one send. */
export interface Delivery {
  /** Whether to use a producer that no healthy partition shares. */
  readonly apart: boolean;
  /** Time after which the send counts as failed, in ms. */
  readonly timeoutMs: number;
}

/**
 * The idempotent producers of kafkajs behind one MessageProducer. A session is one of them.
 *
 * After a failed send, kafkajs no longer knows the sequence number of its partitions (tulios/kafkajs#1282). The session is then
 * retired: it gets no further sends, and it closes when those under way have settled. Sequence numbers belong to one partition,
 * so the sends of other partitions under way on a retired session are confirmed rightly.
 */
export class ProducerSessions {
  readonly #kafka: Pick<Kafka, 'producer'>;
  readonly #log: Logger;
  readonly #open = new Set<Session>();
  readonly #closing = new AbortController();
  /** For healthy partitions. */
  #shared: Session | undefined;
  /**
   * For partitions whose last send failed: their brokers may hang, and so would every send behind them on a connection.
   */
  #apart: Session | undefined;

  constructor(kafka: Pick<Kafka, 'producer'>, log: Logger) {
    this.#kafka = kafka;
    this.#log = log;
  }

  /**
   * Sends messages and returns the answer of kafkajs. Partitions may be missing in it, see `isConfirmed`.
   *
   * @throws NoSessionError if nothing could be sent.
   * @throws kafkajs' error, or an error if the time is up.
   */
  async send(batches: readonly TopicMessages[], { apart, timeoutMs }: Delivery): Promise<RecordMetadata[]> {
    this.#closing.signal.throwIfAborted();
    const session = apart ? this.#apartSession() : this.#sharedSession();
    try {
      const answer = await this.#within(timeoutMs, session.send(batches));
      if (!batches.every((batch) => areConfirmed(batch, answer))) this.#retire(session);
      return answer;
    } catch (error) {
      this.#retire(session);
      throw error;
    } finally {
      // Its connections are not needed until the next failure.
      if (apart && session.idle) this.#retire(session);
    }
  }

  /**
   * Opens the shared session if there is none.
   *
   * @throws NoSessionError.
   */
  async ready(): Promise<void> {
    this.#closing.signal.throwIfAborted();
    const session = this.#sharedSession();
    try {
      await session.ready();
    } catch (error) {
      this.#retire(session);
      throw error;
    }
  }

  /** Closes every session; sends under way fail. */
  async close(): Promise<void> {
    this.#closing.abort(new NoSessionError(closedError()));
    await Promise.all([...this.#open].map((session) => session.close()));
  }

  #sharedSession(): Session {
    this.#shared ??= this.#newSession();
    return this.#shared;
  }

  #apartSession(): Session {
    this.#apart ??= this.#newSession();
    return this.#apart;
  }

  #newSession(): Session {
    const session = new Session(this.#kafka, this.#log, () => this.#open.delete(session));
    this.#open.add(session);
    return session;
  }

  #retire(session: Session): void {
    if (this.#shared === session) this.#shared = undefined;
    if (this.#apart === session) this.#apart = undefined;
    session.retire();
  }

  /**
   * Awaits a send for a limited time. kafkajs cannot stop a send: it continues for a while, and its messages may still
   * arrive.
   */
  async #within<Answer>(timeoutMs: number, sending: Promise<Answer>): Promise<Answer> {
    const { signal } = this.#closing;
    let onAbort: () => void = () => undefined;
    let timer: NodeJS.Timeout | undefined;
    const end = new Promise<never>((_, reject) => {
      onAbort = () => reject(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      timer = setTimeout(() => reject(new Error('no confirmation in time')), timeoutMs);
    });
    try {
      return await Promise.race([sending, end]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }
}

/**
 * Returns whether kafkajs' answer to a send confirms a partition.
 *
 * A send of kafkajs 2.2.4 resolves although it left partitions out. It keeps one answer per broker over its retries, so
 * a partition that moves to a broker which has answered is never sent (tulios/kafkajs#1303). It also skips a partition
 * that the topic does not have.
 */
export function isConfirmed(topic: string, partition: number, answer: readonly RecordMetadata[]): boolean {
  return answer.some((confirmed) => confirmed.topicName === topic && confirmed.partition === partition);
}

function areConfirmed({ topic, messages }: TopicMessages, answer: readonly RecordMetadata[]): boolean {
  const partitions = new Set(messages.map(({ partition }) => partition));
  return [...partitions].every((partition) => isConfirmed(topic, partition, answer));
}

/** One producer, with the states opening → open → retired → closed. */
class Session {
  readonly #log: Logger;
  readonly #producer: Promise<Producer>;
  readonly #onClosed: () => void;
  #underWay = 0;
  #retired = false;
  #closed: Promise<void> | undefined;

  constructor(kafka: Pick<Kafka, 'producer'>, log: Logger, onClosed: () => void) {
    this.#log = log;
    this.#onClosed = onClosed;
    this.#producer = open(kafka);
    this.#producer.catch(() => undefined);
  }

  get idle(): boolean {
    return this.#underWay === 0;
  }

  async ready(): Promise<Producer> {
    try {
      return await this.#producer;
    } catch (error) {
      throw new NoSessionError(error);
    }
  }

  async send(batches: readonly TopicMessages[]): Promise<RecordMetadata[]> {
    this.#underWay += 1;
    try {
      const producer = await this.ready();
      const topicMessages = batches.map(({ topic, messages }) => ({ topic, messages: [...messages] }));
      return await producer.sendBatch({ acks: -1, topicMessages });
    } finally {
      this.#underWay -= 1;
      if (this.#retired && this.idle) void this.close();
    }
  }

  retire(): void {
    this.#retired = true;
    if (this.idle) void this.close();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    try {
      await (await this.#producer).disconnect();
    } catch (error) {
      this.#log.debug({ err: error }, 'Producer not disconnected cleanly');
    }
    this.#onClosed();
  }
}

/** How long opening a producer is retried, in ms. An outage lasts longer, and is not waited out here. */
const OPEN_AGAIN_MS = 5_000;
const OPEN_PAUSE_MS = 200;

/**
 * Opens a producer. kafkajs asks one broker for the producer's id (a random broker under KRaft) and gives up if that
 * broker is down.
 */
async function open(kafka: Pick<Kafka, 'producer'>): Promise<Producer> {
  const until = Date.now() + OPEN_AGAIN_MS;
  for (;;) {
    try {
      return await openOnce(kafka);
    } catch (error) {
      if (Date.now() >= until) throw error;
      await delay(OPEN_PAUSE_MS);
    }
  }
}

/**
 * Opens a producer once. kafkajs keeps order and sequence numbers only with one request in flight (tulios/kafkajs#598,
 * #980).
 */
async function openOnce(kafka: Pick<Kafka, 'producer'>): Promise<Producer> {
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  try {
    await producer.connect();
    return producer;
  } catch (error) {
    await producer.disconnect();
    throw error;
  }
}

function closedError(): CodedError {
  return new CodedError('PRODUCER_CLOSED', 'the producer is closed');
}
