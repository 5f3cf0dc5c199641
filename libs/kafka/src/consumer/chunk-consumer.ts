import { backoffDelay, delay, type BackoffOptions, type Logger } from '@bulk/runtime';
import type { Consumer, EachBatchPayload, IHeaders, Kafka, KafkaMessage } from 'kafkajs';
import type { ConsumerConfig } from '../client/config.ts';
import { withHeartbeats } from './heartbeats.ts';
import { NO_INSTRUMENTS, watchConsumer, type ConsumerInstruments } from './instruments.ts';
import { ConsumerStoppingError } from './interruptions.ts';
import { isOfThisGeneration } from '../kafkajs-patches/memberships.ts';
import { confirmOwnership, isLostPartition, PartitionLostError } from './ownership.ts';
import { PartitionPauses } from './pauses.ts';

/** A message as it came, before decoding. */
export interface ReceivedMessage {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: IHeaders;
}

/** Messages of one partition, in order, that are processed together and committed together. */
export interface Chunk {
  readonly topic: string;
  readonly partition: number;
  readonly messages: readonly ReceivedMessage[];
  /** Offset of the next message that will be appended to the partition, as of the fetch. */
  readonly highWatermark: number;
  /** Tries of this chunk before this one. */
  readonly previousAttempts: number;
  /** Tells the group that there is progress; rejects when the partition is lost. Call between steps of a long chunk. */
  heartbeat(): Promise<void>;
  /**
   * Waits, in ms, heartbeats going on.
   *
   * @throws ConsumerStoppingError when the consumer is to stop first; what `heartbeat` throws.
   */
  waitFor(ms: number): Promise<void>;
  /**
   * Resolves when the partition is still this member's; call before an effect that should not come from one that has lost
   * it. Asks the group when the last answer is older than the heartbeat interval, hence at once after a stall. A stall
   * behind the answer goes unnoticed: what must never happen needs a fence of its own.
   *
   * @throws PartitionLostError when someone else has the partition, or may have it.
   */
  confirmOwnership(): Promise<void>;
}

/** How long a partition rests whose fetch was not admitted, in ms. */
const NOT_ADMITTED_PAUSE_MS = 1_000;

/** What to do with a chunk whose processing threw. */
export type FailureDisposition = 'retry' | 'skip';

export interface ChunkConsumerOptions {
  readonly kafka: Kafka;
  readonly groupId: string;
  readonly topics: readonly string[];
  readonly config: ConsumerConfig;
  /** Messages per chunk at most. */
  readonly chunkSize: number;
  /** Partitions processed at the same time by this process. */
  readonly concurrency: number;
  /** Where a group without a committed offset begins. */
  readonly fromBeginning: boolean;
  /** Longest time between commits of a partition that makes progress, in ms. */
  readonly commitIntervalMs: number;
  readonly backoff: BackoffOptions;
  /** Resolves when the chunk's effects are durable; only then is it committed. May see a chunk again. */
  readonly process: (chunk: Chunk) => Promise<void>;
  /**
   * Decides on an error of `process`. `retry` waits (exponential backoff, full jitter, heartbeats going on) and tries the
   * chunk again, blocking its partition; `skip` means that the callee has put the chunk away durably.
   */
  readonly onFailure: (error: unknown, chunk: Chunk) => Promise<FailureDisposition>;
  /**
   * From when on a message is to be processed, in ms since the epoch; without it, at once. One that is not due has its
   * partition paused until then, and with it those behind it.
   */
  readonly dueAt?: (message: ReceivedMessage) => number;
  /**
   * Resolves when what was fetched of a topic may be processed; asked once for each fetch. When it rejects, the partition is
   * paused for a second, nothing of the fetch is processed, and it is fetched again.
   */
  readonly admit?: (topic: string) => Promise<void>;
  /** The consumer is down for good; the process should end and be restarted. */
  readonly onCrash: (error: unknown) => void;
  /** Each time the group has given this member its partitions. */
  readonly onAssigned?: (partitions: Readonly<Record<string, readonly number[]>>) => void;
  /**
   * Each time after `onAssigned`, when the place in every partition is known: whatever is appended from now on will be
   * seen. Where `fromBeginning` is false, a partition without a commit begins at its end as of the first fetch, later than
   * `onAssigned`: who reads a state from elsewhere, to be kept up to date by the messages, has to read it here.
   */
  readonly onPositioned?: () => void;
  /** The consumer fell over and starts again by itself; `onAssigned` follows when it is back. */
  readonly onInterrupted?: (error: unknown) => void;
  /** Who is told how it does, and how far it is behind. */
  readonly instruments?: ConsumerInstruments;
  readonly log: Logger;
}

/**
 * A consumer group member that processes each partition in order and commits only what is durable: at least once.
 *
 * What it keeps of kafkajs' traps from its users: `eachBatchAutoResolve` would mark a whole fetch as done on an early
 * return, so it is off and each chunk is resolved after its effects; a plain Error thrown out of `eachBatch` can stop the
 * consumer for good while the process lives (tulios/kafkajs#1443, #1445), so nothing but a lost partition leaves it; there
 * is no heartbeat in the background (#447, #624), so one is sent per chunk, while it is processed and while waiting for a
 * retry; a crash that kafkajs does not restart from (#885, #1443) is handed to `onCrash`. A fetch is processed whole before
 * the next one, so what waits is at most `KAFKA_FETCH_MAX_BYTES` of each broker, whatever the number of partitions and of
 * those processed side by side; kafkajs' own 10 MB of each broker, 1 MB of each partition would be its bound otherwise. One
 * set of records that was sent together is never cut, so that a larger one still comes.
 */
export class ChunkConsumer {
  readonly #options: ChunkConsumerOptions;
  readonly #consumer: Consumer;
  readonly #stopping = new AbortController();
  readonly #pauses = new PartitionPauses();
  readonly #instruments: Pick<ConsumerInstruments, 'recorder' | 'lag'>;
  #unwatch: (() => Promise<void>) | undefined;

  private constructor(options: ChunkConsumerOptions) {
    this.#options = options;
    this.#instruments = options.instruments ?? NO_INSTRUMENTS;
    this.#consumer = options.kafka.consumer({
      groupId: options.groupId,
      sessionTimeout: options.config.KAFKA_SESSION_TIMEOUT_MS,
      rebalanceTimeout: Math.max(60_000, options.config.KAFKA_SESSION_TIMEOUT_MS),
      heartbeatInterval: options.config.KAFKA_HEARTBEAT_INTERVAL_MS,
      maxBytes: options.config.KAFKA_FETCH_MAX_BYTES,
      maxBytesPerPartition: Math.min(1_048_576, options.config.KAFKA_FETCH_MAX_BYTES),
      maxWaitTimeInMs: 250,
      allowAutoTopicCreation: false,
      retry: {
        initialRetryTime: 100,
        maxRetryTime: 2_000,
        retries: 8,
        restartOnFailure: () => Promise.resolve(true),
      },
    });
  }

  /** Joins the group and begins to process. */
  static async start(options: ChunkConsumerOptions): Promise<ChunkConsumer> {
    const self = new ChunkConsumer(options);
    try {
      await self.#run();
    } catch (error) {
      await self.#unwatch?.();
      throw error;
    }
    return self;
  }

  /** Lets the chunks under way finish, commits them, leaves the group. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#pauses.clear();
    await this.#consumer.disconnect();
    await this.#unwatch?.();
  }

  async #run(): Promise<void> {
    const { topics, fromBeginning, concurrency, onCrash, onInterrupted, onAssigned, onPositioned } =
      this.#options;
    const { CRASH, GROUP_JOIN } = this.#consumer.events;
    this.#consumer.on(CRASH, ({ payload }) => {
      if (this.#stopping.signal.aborted) return;
      if (payload.restart) onInterrupted?.(payload.error);
      else onCrash(payload.error);
    });
    if (onAssigned !== undefined) {
      this.#consumer.on(GROUP_JOIN, ({ payload }) => onAssigned(payload.memberAssignment));
    }
    if (onPositioned !== undefined) this.#watchPositions(onPositioned);
    const { kafka, groupId, instruments, log } = this.#options;
    if (instruments !== undefined)
      this.#unwatch = watchConsumer(this.#consumer, instruments, { kafka, groupId, fromBeginning, log });
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topics: [...topics], fromBeginning });
    await this.#consumer.run({
      autoCommit: true,
      autoCommitInterval: this.#options.commitIntervalMs,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: concurrency,
      eachBatch: (payload) => this.#processFetch(payload),
    });
  }

  /** kafkajs looks its offsets up at the begin of a fetch; one that began before the last join looked up older ones. */
  #watchPositions(onPositioned: () => void): void {
    const { GROUP_JOIN, FETCH_START, FETCH } = this.#consumer.events;
    const fetching = new Set<number>();
    let joined = false;
    this.#consumer.on(GROUP_JOIN, () => {
      joined = true;
      fetching.clear();
    });
    this.#consumer.on(FETCH_START, ({ payload }) => {
      if (joined) fetching.add(payload.nodeId);
    });
    this.#consumer.on(FETCH, ({ payload }) => {
      if (!joined || !fetching.has(payload.nodeId)) return;
      joined = false;
      onPositioned();
    });
  }

  async #processFetch(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    if (!(await this.#admits(payload))) return;
    for (let from = 0; from < batch.messages.length; from += this.#options.chunkSize) {
      if (payload.isStale() || !isOfThisGeneration(batch) || !this.#mayGoOn(payload)) return;
      const messages = batch.messages.slice(from, from + this.#options.chunkSize);
      this.#noteHead(batch, messages[0]);
      const waitMs = this.#notDueFor(batch, messages[0]);
      if (waitMs > 0) {
        this.#pauses.pauseFor(payload, waitMs);
        return;
      }
      const startedAt = performance.now();
      const done = await this.#processChunk(payload, messages);
      const last = messages.at(-1);
      // The offsets of a later generation begin where it has read the commits, and are not for this one to move.
      if (!done || last === undefined || !isOfThisGeneration(batch)) return;
      payload.resolveOffset(last.offset);
      this.#instruments.recorder.chunk((performance.now() - startedAt) / 1_000, messages.length);
      const since = this.#dueSince(batch, last);
      this.#instruments.lag.processed(batch.topic, batch.partition, Number(last.offset) + 1, since);
      await payload.heartbeat();
      await payload.commitOffsetsIfNecessary();
    }
  }

  async #admits(payload: EachBatchPayload): Promise<boolean> {
    const { admit, config, log } = this.#options;
    if (admit === undefined) return true;
    const { topic, partition } = payload.batch;
    try {
      await withHeartbeats(
        config,
        () => payload.heartbeat(),
        () => admit(topic),
      );
      return true;
    } catch (error) {
      log.debug({ topic, partition, err: error }, 'a fetch is not processed');
      this.#pauses.pauseFor(payload, NOT_ADMITTED_PAUSE_MS);
      return false;
    }
  }

  /** @returns false when the consumer is to stop before the chunk is done. */
  async #processChunk(payload: EachBatchPayload, messages: readonly KafkaMessage[]): Promise<boolean> {
    const { batch } = payload;
    const heartbeat = (): Promise<void> => payload.heartbeat();
    const chunk = {
      topic: batch.topic,
      partition: batch.partition,
      highWatermark: Number(batch.highWatermark),
      messages: messages.map((message) => received(batch.topic, batch.partition, message)),
      heartbeat,
      waitFor: async (ms: number): Promise<void> => {
        await this.#wait(ms, heartbeat);
        if (!this.#mayGoOn(payload)) throw new ConsumerStoppingError();
      },
      confirmOwnership: () => confirmOwnership(batch, heartbeat),
    };
    for (let previousAttempts = 0; ; previousAttempts += 1) {
      const attempt: Chunk = { ...chunk, previousAttempts };
      try {
        await withHeartbeats(this.#options.config, heartbeat, () => this.#options.process(attempt));
        return true;
      } catch (error) {
        // As kafkajs knows it: it rejoins, and anything else could stop it for good.
        if (error instanceof PartitionLostError) {
          this.#options.log.info(
            { topic: batch.topic, partition: batch.partition, offset: messages[0]?.offset },
            'left in the middle: the partition is, or may be, someone else’s',
          );
          if (!(error.cause instanceof Error)) return false;
          throw error.cause;
        }
        if (isLostPartition(error)) throw error;
        if (!this.#mayGoOn(payload)) return false;
        this.#instruments.recorder.failed();
        if ((await this.#disposition(error, attempt)) === 'skip') return true;
      }
      await this.#wait(backoffDelay(previousAttempts + 1, this.#options.backoff), heartbeat);
      if (!this.#mayGoOn(payload)) return false;
    }
  }

  #noteHead({ topic, partition, highWatermark }: EachBatchPayload['batch'], head?: KafkaMessage): void {
    if (head === undefined) return;
    const since = this.#dueSince({ topic, partition }, head);
    this.#instruments.lag.atHead(topic, partition, Number(head.offset), since, Number(highWatermark));
  }

  /** From when on a message was, or is, to be processed, in ms since the epoch. */
  #dueSince({ topic, partition }: { topic: string; partition: number }, message: KafkaMessage): number {
    const due = this.#options.dueAt?.(received(topic, partition, message)) ?? 0;
    return Math.max(Number(message.timestamp), due);
  }

  #notDueFor({ topic, partition }: EachBatchPayload['batch'], head: KafkaMessage | undefined): number {
    const { dueAt } = this.#options;
    return dueAt === undefined || head === undefined
      ? 0
      : dueAt(received(topic, partition, head)) - Date.now();
  }

  #mayGoOn(payload: EachBatchPayload): boolean {
    return payload.isRunning() && !this.#stopping.signal.aborted;
  }

  async #disposition(error: unknown, chunk: Chunk): Promise<FailureDisposition> {
    try {
      return await this.#options.onFailure(error, chunk);
    } catch (failure) {
      // What was to put the chunk away failed itself: the chunk is still ours.
      this.#options.log.warn(
        { err: failure, topic: chunk.topic, partition: chunk.partition },
        'could not give up a chunk',
      );
      return 'retry';
    }
  }

  async #wait(ms: number, heartbeat: () => Promise<void>): Promise<void> {
    const step = this.#options.config.KAFKA_HEARTBEAT_INTERVAL_MS;
    let left = ms;
    while (left > 0 && !this.#stopping.signal.aborted) {
      await delay(Math.min(left, step), this.#stopping.signal);
      await heartbeat();
      left -= step;
    }
  }
}

function received(topic: string, partition: number, message: KafkaMessage): ReceivedMessage {
  return {
    topic,
    partition,
    offset: Number(message.offset),
    key: message.key,
    value: message.value,
    headers: message.headers ?? {},
  };
}
