import { delay, settledWithin } from '@bulk/runtime';
import { PartitionAssigners, type Consumer, type EachBatchPayload } from 'kafkajs';
import { attachTopicIds } from '../kafkajs-patches/fetch-by-id.ts';
import { attachHooks, membershipOf, type Membership } from '../kafkajs-patches/memberships.ts';
import { Admissions } from './admissions.ts';
import { Assignment } from './assignment.ts';
import { ChunksUnderWay } from './chunks-under-way.ts';
import { ConsumerStoppingError } from './interruptions.ts';
import { NO_INSTRUMENTS, watchConsumer, type ConsumerInstruments } from './instruments.ts';
import type { ChunkConsumerOptions } from './options.ts';
import { Positions } from './positions.ts';

export type { Chunk, ReceivedMessage } from './chunk.ts';
export type { ChunkConsumerOptions } from './options.ts';

/** Longest part of a stop that is kept for the last commit and for leaving the group, in ms. */
const LEAVE_MS = 8_000;

/** Time between two fetches that kafkajs asks for while the consumer stops, in ms. */
const STOPPED_FETCH_MS = 50;

/**
 * Time that a broker holds a fetch while a partition is paused, or while positions are not known yet, in ms. What ends
 * meanwhile waits for the end of the fetch.
 */
const SHORT_WAIT_MS = 100;

/**
 * A consumer group member that processes each partition in order and commits only durable work: at least once.
 *
 * kafkajs fetches into a queue for each partition, and a worker for each partition takes chunks from it. A partition
 * that waits or hangs therefore delays no other. Commits of all partitions share one request per interval. Before the
 * member joins its group again, the chunks under way get `KAFKA_HANDOVER_MS` to finish, what is done is committed, and
 * the queues are dropped. See docs/architecture/exactly-once.md.
 *
 * It protects its users from these traps of kafkajs:
 *
 * - `eachBatchAutoResolve` marks a whole fetch as done on an early return. It is off, and a fetch is resolved when it is
 *   in its queue.
 * - A plain Error thrown out of `eachBatch` can stop the consumer for good while the process lives
 *   (tulios/kafkajs#1443, #1445). None is: no work runs there.
 * - kafkajs sends no heartbeat in the background (#447, #624). A timer does, until a chunk exceeds
 *   `KAFKA_MAX_PROCESSING_MS`. Then the member leaves its group. It joins again when the chunk has ended, at the latest
 *   after the session timeout.
 * - kafkajs does not restart after some crashes (#885, #1443). They are passed to `onCrash`.
 *
 * Messages in memory take at most `KAFKA_QUEUE_MAX_BYTES`. Each partition has an equal share: half of it pauses the
 * partition, and one more fetch of the partition is at most the other half. A record set that was sent as one is never
 * cut, so a larger one still arrives, and it is the only excess. In addition, kafkajs holds one fetch of
 * `KAFKA_FETCH_MAX_BYTES` of each broker while it is decoded.
 */
export class ChunkConsumer {
  readonly #options: ChunkConsumerOptions;
  readonly #consumer: Consumer;
  readonly #stopping = new AbortController();
  readonly #instruments: Pick<ConsumerInstruments, 'recorder' | 'lag'>;
  readonly #admissions: Admissions;
  readonly #underWay: ChunksUnderWay;
  readonly #positions: Positions;
  #membership: Membership | undefined;
  #assignment: Assignment | undefined;
  #drained: Promise<void> = Promise.resolve();
  /** When the last fetch brought messages, in ms on the monotonic clock. */
  #lastBatchAt = -Infinity;
  #unwatch: (() => Promise<void>) | undefined;

  private constructor(options: ChunkConsumerOptions) {
    this.#options = options;
    this.#instruments = options.instruments ?? NO_INSTRUMENTS;
    this.#admissions = new Admissions(options.admit);
    this.#underWay = new ChunksUnderWay(options.config.KAFKA_MAX_PROCESSING_MS);
    this.#consumer = options.kafka.consumer({
      groupId: options.groupId,
      sessionTimeout: options.config.KAFKA_SESSION_TIMEOUT_MS,
      rebalanceTimeout: Math.max(60_000, options.config.KAFKA_SESSION_TIMEOUT_MS),
      heartbeatInterval: options.config.KAFKA_HEARTBEAT_INTERVAL_MS,
      maxBytes: options.config.KAFKA_FETCH_MAX_BYTES,
      maxWaitTimeInMs: SHORT_WAIT_MS,
      allowAutoTopicCreation: false,
      partitionAssigners: [
        (parts) => {
          this.#attachTo(parts.cluster);
          return PartitionAssigners.roundRobin(parts);
        },
      ],
      retry: {
        initialRetryTime: 100,
        maxRetryTime: 2_000,
        retries: 8,
        restartOnFailure: () => Promise.resolve(!this.#stopping.signal.aborted),
      },
    });
    this.#positions = new Positions(this.#consumer, () => options.onPositioned?.());
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

  /**
   * Stops the consumer: it takes no new chunk, waits for the chunks under way, commits what is done, and leaves the
   * group. Other members get its partitions at once.
   *
   * A chunk that takes too long is left uncommitted, and its messages are delivered again. The wait for it is at most
   * the session timeout, and leaves time to commit and to leave the group within `limitMs`.
   *
   * @param limitMs time limit of the stop, in ms. @default no limit
   */
  async stop(limitMs = Infinity): Promise<void> {
    const leaveMs = Math.min(limitMs / 2, LEAVE_MS);
    const chunksMs = Math.min(limitMs - leaveMs, this.#options.config.KAFKA_SESSION_TIMEOUT_MS);
    this.#drained = this.#assignment?.end({ chunksMs, commitMs: leaveMs / 2 }) ?? this.#drained;
    this.#stopping.abort();
    await this.#drained;
    await this.#consumer.disconnect();
    await this.#unwatch?.();
  }

  async #run(): Promise<void> {
    const { topics, fromBeginning, onCrash, onInterrupted, onAssigned } = this.#options;
    const { CRASH, GROUP_JOIN } = this.#consumer.events;
    this.#consumer.on(CRASH, ({ payload }) => {
      // kafkajs has left the group.
      void this.#assignment?.end({ chunksMs: 0 });
      if (this.#stopping.signal.aborted) return;
      if (payload.restart) onInterrupted?.(payload.error);
      else onCrash(payload.error);
    });
    if (onAssigned !== undefined) {
      this.#consumer.on(GROUP_JOIN, ({ payload }) => onAssigned(payload.memberAssignment));
    }
    const { kafka, groupId, instruments, log } = this.#options;
    if (instruments !== undefined)
      this.#unwatch = watchConsumer(this.#consumer, instruments, { kafka, groupId, fromBeginning, log });
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topics: [...topics], fromBeginning });
    await this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: (payload) => this.#take(payload),
    });
  }

  #attachTo(cluster: object): void {
    const { topicIds: ids } = this.#options;
    if (ids !== undefined)
      attachTopicIds(cluster, { ids, refused: (topic) => this.#admissions.recheck(topic) });
    attachHooks(cluster, {
      stopped: this.#stopping.signal,
      beforeJoin: () => this.#giveAway(),
      joined: (membership) => this.#takeOver(membership),
      beforeFetch: () => this.#pace(),
      mustJoin: () => this.#assignment?.isEnding === true || this.#isHanging(),
      maxWaitMs: () => this.#maxWaitMs(),
      maxBytesPerPartition: () =>
        Math.min(this.#halfShare(this.#membership), this.#options.config.KAFKA_FETCH_MAX_BYTES),
    });
  }

  /** Puts a fetched batch into its queue. It must not wait: kafkajs fetches again when it returns. */
  #take(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    const assignment = this.#assignment;
    // The next owner of the partition fetches again what is not resolved.
    if (assignment?.accepts(membershipOf(batch)) === true) {
      this.#lastBatchAt = performance.now();
      assignment.append(payload);
      payload.resolveOffset(batch.lastOffset());
    }
    return Promise.resolve();
  }

  /**
   * Holds a fetch back for a moment after one that brought messages, because processing does not slow fetches down any
   * more: under load, each message would be fetched alone. A consumer that stops does not fetch.
   */
  async #pace(): Promise<void> {
    const { signal } = this.#stopping;
    const heldMs = this.#lastBatchAt + this.#options.config.KAFKA_FETCH_LINGER_MS - performance.now();
    if (heldMs > 0) await delay(heldMs, signal);
    if (!signal.aborted) return;
    await this.#drained;
    // kafkajs fetches again at once until its stop has reached it, and an empty answer takes no time.
    await delay(STOPPED_FETCH_MS);
  }

  #takeOver(membership: Membership): void {
    this.#membership = membership;
    if (this.#stopping.signal.aborted) return;
    this.#assignment = new Assignment({
      options: this.#options,
      membership,
      maxQueueBytes: this.#halfShare(membership),
      admissions: this.#admissions,
      underWay: this.#underWay,
      instruments: this.#instruments,
    });
  }

  /** @throws ConsumerStoppingError if the consumer must not join again. kafkajs then ends its consumer. */
  async #giveAway(): Promise<void> {
    await this.#endAssignment();
    // kafkajs restarts after a crash by a timer that its own disconnect does not cancel.
    if (this.#stopping.signal.aborted) throw new ConsumerStoppingError();
  }

  async #endAssignment(): Promise<void> {
    const assignment = this.#assignment;
    if (assignment === undefined) return;
    const { config, log, groupId } = this.#options;
    const chunksMs = Math.min(config.KAFKA_HANDOVER_MS, config.KAFKA_SESSION_TIMEOUT_MS / 2);
    await assignment.end({ chunksMs });
    const { hanging } = assignment;
    if (hanging.length === 0 || this.#stopping.signal.aborted) return;
    log.warn({ groupId, chunks: hanging.length }, 'Consumer leaves its group: chunk exceeds its time');
    this.#instruments.lag.clear();
    this.#options.onInterrupted?.(new Error('a chunk exceeds its time'));
    await this.#membership?.leave().catch((error: unknown) => {
      log.debug({ err: error, groupId }, 'Group not left; the session ends by its timeout');
    });
    await settledWithin(config.KAFKA_SESSION_TIMEOUT_MS, Promise.all(hanging), this.#stopping.signal);
  }

  #isHanging(): boolean {
    return (this.#assignment?.hanging.length ?? 0) > 0;
  }

  #maxWaitMs(): number {
    const { KAFKA_FETCH_MAX_WAIT_MS: longMs } = this.#options.config;
    const isLong = this.#positions.areKnown && this.#assignment?.isPaused !== true;
    return isLong ? longMs : Math.min(SHORT_WAIT_MS, longMs);
  }

  /** Returns half of the share that each partition has in the memory of the consumer, in bytes. */
  #halfShare(membership: Membership | undefined): number {
    const { KAFKA_QUEUE_MAX_BYTES: queue, KAFKA_FETCH_MAX_BYTES: fetch } = this.#options.config;
    const partitions = Math.max(1, membership?.partitions ?? 1);
    return Math.max(1, Math.floor((queue ?? 2 * fetch) / partitions / 2));
  }
}
