import { backoffDelay, delay, type BackoffOptions, type Logger } from '@bulk/runtime';
import type { Consumer, EachBatchPayload, IHeaders, Kafka, KafkaMessage } from 'kafkajs';
import type { ConsumerConfig } from '../client/config.ts';
import type { Disposition } from './disposition.ts';
import { withHeartbeats } from './heartbeats.ts';
import { NO_INSTRUMENTS, watchConsumer, type ConsumerInstruments } from './instruments.ts';
import { ConsumerStoppingError } from './interruptions.ts';
import { isOfThisGeneration } from '../kafkajs-patches/memberships.ts';
import { confirmOwnership, isLostPartition, PartitionLostError } from './ownership.ts';
import { PartitionPauses } from './pauses.ts';

/** A message as it was received, before decoding. */
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
  /** Number of earlier tries of this chunk. */
  readonly previousAttempts: number;
  /** Sends a heartbeat. Call it between the steps of a long chunk. Rejects if the partition is lost. */
  heartbeat(): Promise<void>;
  /**
   * Waits `ms` milliseconds while heartbeats continue.
   *
   * @throws ConsumerStoppingError if the consumer is stopped first.
   * @throws the errors of `heartbeat`.
   */
  waitFor(ms: number): Promise<void>;
  /**
   * Resolves if the partition still belongs to this member. Call it before an effect that a member without the
   * partition must not have.
   *
   * It asks the group if the last answer is older than the heartbeat interval, hence at once after a stall. It does not
   * notice a stall after the answer, so an effect that must never happen twice needs a fence of its own.
   *
   * @throws PartitionLostError if another member has the partition, or may have it.
   */
  confirmOwnership(): Promise<void>;
}

/** Pause of a partition whose fetch was not admitted, in ms. */
const NOT_ADMITTED_PAUSE_MS = 1_000;

/** What happens to a chunk whose processing failed. */
export type FailureDisposition = 'retry' | 'skip';

export interface ChunkConsumerOptions {
  readonly kafka: Kafka;
  readonly groupId: string;
  readonly topics: readonly string[];
  readonly config: ConsumerConfig;
  /** Maximum number of messages per chunk. */
  readonly chunkSize: number;
  /** Number of partitions that this process works on at the same time. */
  readonly concurrency: number;
  /** Whether a group without a committed offset starts at the beginning of the log, and not at its end. */
  readonly fromBeginning: boolean;
  /** Maximum time between two commits of a partition that makes progress, in ms. */
  readonly commitIntervalMs: number;
  readonly backoff: BackoffOptions;
  /**
   * Processes a chunk and returns what becomes of it. Only messages whose effects are durable are committed. It may get
   * a chunk again.
   */
  readonly process: (chunk: Chunk) => Promise<Disposition>;
  /**
   * Decides what happens after an error of `process`. `retry` waits (exponential backoff, full jitter, with heartbeats)
   * and tries the chunk again, which blocks its partition. `skip` means that the callback has stored the chunk durably
   * elsewhere. Default: `retry`.
   */
  readonly onFailure?: (error: unknown, chunk: Chunk) => Promise<FailureDisposition>;
  /**
   * Returns the time at which a message becomes due, in ms since the epoch. Default: at once. A message that is not due
   * pauses its partition until that time, and the messages after it wait too.
   */
  readonly dueAt?: (message: ReceivedMessage) => number;
  /**
   * Resolves if the messages fetched from a topic may be processed. It is called once for each fetch. If it rejects,
   * nothing of the fetch is processed, the partition is paused for a second, and the messages are fetched again.
   */
  readonly admit?: (topic: string) => Promise<void>;
  /** Called when the consumer has failed for good. The process should end and be restarted. */
  readonly onCrash: (error: unknown) => void;
  /** Called each time the group assigns partitions to this member. */
  readonly onAssigned?: (partitions: Readonly<Record<string, readonly number[]>>) => void;
  /**
   * Called after `onAssigned`, when the position in every partition is known: every message that is appended from now
   * on will be seen.
   *
   * If `fromBeginning` is false, a partition without a commit starts at its end as of the first fetch, which is later
   * than `onAssigned`. A reader that loads a state from elsewhere and keeps it current by the messages must load it
   * here.
   */
  readonly onPositioned?: () => void;
  /** Called when the consumer has crashed and restarts by itself. `onAssigned` follows when the consumer is back. */
  readonly onInterrupted?: (error: unknown) => void;
  /** Receives the consumer's measurements and its lag. */
  readonly instruments?: ConsumerInstruments;
  readonly log: Logger;
}

/**
 * A consumer group member that processes each partition in order and commits only durable work: at least once.
 *
 * It protects its users from these traps of kafkajs:
 *
 * - `eachBatchAutoResolve` marks a whole fetch as done on an early return. It is off, and each chunk is resolved after
 *   its effects.
 * - A plain Error thrown out of `eachBatch` can stop the consumer for good while the process lives
 *   (tulios/kafkajs#1443, #1445). Only the loss of a partition leaves `eachBatch`.
 * - kafkajs sends no heartbeat in the background (#447, #624). A heartbeat is sent per chunk, while a chunk is
 *   processed, and while the consumer waits for a retry.
 * - kafkajs does not restart after some crashes (#885, #1443). They are passed to `onCrash`.
 *
 * A fetch is processed whole before the next one. So at most `KAFKA_FETCH_MAX_BYTES` of each broker wait in memory,
 * whatever the number of partitions and of partitions processed at the same time. kafkajs' own bounds would be 10 MB of
 * each broker and 1 MB of each partition. A record set that was sent as one is never cut, so a larger one still
 * arrives.
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

  /** Joins the group and starts to process messages. */
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

  /** Stops the consumer: it finishes and commits the chunks under way and leaves the group. */
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

  /**
   * kafkajs looks up its offsets at the start of a fetch. A fetch that started before the last join used older offsets.
   */
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
      const last = messages[done - 1];
      // A later generation has read its offsets from the commits. This one must not move them.
      if (last === undefined || !isOfThisGeneration(batch)) return;
      payload.resolveOffset(last.offset);
      this.#instruments.recorder.chunk((performance.now() - startedAt) / 1_000, done);
      const since = this.#dueSince(batch, last);
      this.#instruments.lag.processed(batch.topic, batch.partition, Number(last.offset) + 1, since);
      await payload.heartbeat();
      await payload.commitOffsetsIfNecessary();
      if (done < messages.length) return;
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

  /** Processes a chunk, with retries. @returns how many of its messages are done when the consumer goes on or stops. */
  async #processChunk(payload: EachBatchPayload, messages: readonly KafkaMessage[]): Promise<number> {
    const { batch } = payload;
    let done = 0;
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
      const attempt: Chunk = { ...chunk, messages: chunk.messages.slice(done), previousAttempts };
      let waitMs: number;
      try {
        const disposition = await withHeartbeats(this.#options.config, heartbeat, () =>
          this.#options.process(attempt),
        );
        if (disposition.kind === 'done') return messages.length;
        done += disposition.done;
        waitMs = disposition.afterMs;
      } catch (error) {
        // Throws the error that kafkajs expects: it rejoins after it, and another error could stop it for good.
        if (error instanceof PartitionLostError) {
          this.#options.log.info(
            { topic: batch.topic, partition: batch.partition, offset: messages[0]?.offset },
            'left in the middle: the partition is, or may be, someone else’s',
          );
          if (!(error.cause instanceof Error)) return done;
          throw error.cause;
        }
        if (isLostPartition(error)) throw error;
        if (!this.#mayGoOn(payload)) return done;
        this.#instruments.recorder.failed();
        if ((await this.#disposition(error, attempt)) === 'skip') return messages.length;
        waitMs = backoffDelay(previousAttempts + 1, this.#options.backoff);
      }
      await this.#wait(waitMs, heartbeat);
      if (!this.#mayGoOn(payload)) return done;
    }
  }

  #noteHead({ topic, partition, highWatermark }: EachBatchPayload['batch'], head?: KafkaMessage): void {
    if (head === undefined) return;
    const since = this.#dueSince({ topic, partition }, head);
    this.#instruments.lag.atHead(topic, partition, Number(head.offset), since, Number(highWatermark));
  }

  /** Returns when a message became due, or becomes due, in ms since the epoch. */
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
      return (await this.#options.onFailure?.(error, chunk)) ?? 'retry';
    } catch (failure) {
      // The dead-lettering itself failed, so the chunk still has to be processed.
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
