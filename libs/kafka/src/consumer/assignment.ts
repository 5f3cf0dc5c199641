import { Places, settledWithin, unlessAborted } from '@bulk/runtime';
import type { EachBatchPayload, KafkaMessage } from 'kafkajs';
import { wasFetchedById } from '../kafkajs-patches/fetch-by-id.ts';
import type { Membership, PartitionOffset } from '../kafkajs-patches/memberships.ts';
import type { Admissions } from './admissions.ts';
import { received } from './chunk.ts';
import type { ChunksUnderWay } from './chunks-under-way.ts';
import type { ConsumerInstruments } from './instruments.ts';
import { OffsetCommits } from './offset-commits.ts';
import type { ChunkConsumerOptions } from './options.ts';
import type { QueuedMessage } from './partition-queue.ts';
import { PartitionWorker } from './partition-worker.ts';

/** Longest wait for the last commit of an assignment, in ms. Messages that are not committed are delivered again. */
const COMMIT_MS = 5_000;

/** How long the end of an assignment may wait, in ms. */
export interface EndLimits {
  /** Longest wait for the chunks under way. */
  readonly chunksMs: number;
  /** Longest wait for the last commit. @default 5,000 */
  readonly commitMs?: number;
}

export interface AssignmentParts {
  readonly options: ChunkConsumerOptions;
  readonly membership: Membership;
  readonly maxQueueBytes: number;
  readonly admissions: Admissions;
  readonly underWay: ChunksUnderWay;
  readonly instruments: Pick<ConsumerInstruments, 'recorder' | 'lag'>;
}

/**
 * The partitions of one membership: their queues and workers, their commits and the heartbeats of the member. It ends
 * before the member joins again.
 */
export class Assignment {
  readonly #parts: AssignmentParts;
  readonly #workers = new Map<string, PartitionWorker>();
  readonly #places: Places;
  readonly #commits: OffsetCommits;
  readonly #heartbeats: NodeJS.Timeout;
  #state: 'open' | 'ending' | 'sealed' = 'open';
  /** Aborts when the chunks under way are waited for no more. */
  readonly #chunksLeft = new AbortController();
  #commitMs = COMMIT_MS;
  #ended: Promise<void> | undefined;

  constructor(parts: AssignmentParts) {
    this.#parts = parts;
    const { membership, options } = parts;
    this.#places = new Places(options.concurrency);
    this.#commits = new OffsetCommits(
      (offsets) => this.#commit(offsets),
      options.commitIntervalMs,
      options.log,
    );
    const everyMs = options.config.KAFKA_HEARTBEAT_INTERVAL_MS;
    // kafkajs sends heartbeats between fetches only (tulios/kafkajs#447, #624), and a fetch may hang. If one of these
    // fails, the next one of kafkajs fails too, and kafkajs acts on it.
    this.#heartbeats = setInterval(() => {
      if (membership.isCurrent()) membership.heartbeat(everyMs).catch(() => undefined);
    }, everyMs);
  }

  /** Whether messages of this membership are still taken. */
  accepts(membership: Membership | undefined): boolean {
    return this.#state === 'open' && membership === this.#parts.membership && membership.isCurrent();
  }

  get isEnding(): boolean {
    return this.#state !== 'open';
  }

  /** Whether a partition is not fetched because its queue is full. */
  get isPaused(): boolean {
    return [...this.#workers.values()].some(({ isPaused }) => isPaused);
  }

  /** Chunks that have exceeded `KAFKA_MAX_PROCESSING_MS`, as promises of their ends. */
  get hanging(): readonly Promise<void>[] {
    return this.#parts.underWay.hanging(this).map(({ ended }) => ended);
  }

  /** Adds a fetched batch to the queue of its partition. */
  append(payload: EachBatchPayload): void {
    const { batch } = payload;
    const { topic, partition } = batch;
    const key = `${topic}/${partition}`;
    let worker = this.#workers.get(key);
    if (worker === undefined) {
      worker = this.#workerOf(topic, partition, () => payload.pause());
      this.#workers.set(key, worker);
    }
    const fetchedAt = wasFetchedById(batch) ? -Infinity : performance.now();
    const end = Number(batch.lastOffset()) + 1;
    const last = batch.messages.length - 1;
    const messages = batch.messages.map((message, i) =>
      // What follows the last message are records that consumers do not get.
      this.#queued(topic, partition, message, { fetchedAt, next: i === last ? end : undefined }),
    );
    worker.append(messages, Number(batch.highWatermark));
  }

  /**
   * Takes no new chunk, waits for the chunks under way, commits, and drops the queues. It never rejects.
   *
   * @param limits may shorten an end that is under way, and never extend it.
   */
  async end({ chunksMs, commitMs = COMMIT_MS }: EndLimits): Promise<void> {
    this.#commitMs = Math.min(this.#commitMs, commitMs);
    const timer = setTimeout(() => this.#chunksLeft.abort(), chunksMs);
    this.#ended ??= this.#end();
    try {
      await this.#ended;
    } finally {
      clearTimeout(timer);
    }
  }

  async #end(): Promise<void> {
    this.#state = 'ending';
    const ends = [...this.#workers.values()].map((worker) => worker.end());
    const { membership } = this.#parts;
    if (membership.isCurrent()) await unlessAborted(Promise.all(ends), this.#chunksLeft.signal);
    for (const worker of this.#workers.values()) worker.seal();
    this.#state = 'sealed';
    clearInterval(this.#heartbeats);
    if (membership.isCurrent()) await settledWithin(this.#commitMs, this.#commits.close());
    else this.#commits.discard();
  }

  /**
   * Commits positions of topics that are admitted. A position in a topic that was replaced would make the group skip
   * the first messages of the new one.
   */
  async #commit(offsets: readonly PartitionOffset[]): Promise<void> {
    const { admissions, membership } = this.#parts;
    const now = performance.now();
    const topics = [...new Set(offsets.map(({ topic }) => topic))];
    const answers = await Promise.allSettled(topics.map((topic) => admissions.admit(topic, now)));
    const admitted = new Set(topics.filter((_topic, i) => answers[i]?.status === 'fulfilled'));
    const committable = offsets.filter(({ topic }) => admitted.has(topic));
    if (committable.length > 0) await membership.commit(committable);
    // One topic that is refused must not keep the others from their commits.
    const refused = answers.find((answer) => answer.status === 'rejected');
    if (refused?.status === 'rejected') throw refused.reason;
  }

  #workerOf(topic: string, partition: number, pause: () => () => void): PartitionWorker {
    const { options, membership, ...parts } = this.#parts;
    let resume = (): void => undefined;
    return new PartitionWorker({
      ...parts,
      options,
      places: this.#places,
      owner: this,
      held: {
        topic,
        partition,
        isHeld: () => this.#state !== 'sealed' && membership.isCurrent(),
        heartbeat: () => membership.heartbeat(options.config.KAFKA_HEARTBEAT_INTERVAL_MS),
      },
      fetches: { pause: () => (resume = pause()), resume: () => resume() },
      onPosition: (offset) => this.#commits.note({ topic, partition, offset }),
    });
  }

  #queued(
    topic: string,
    partition: number,
    message: KafkaMessage,
    { fetchedAt, next }: { fetchedAt: number; next: number | undefined },
  ): QueuedMessage {
    const own = received(topic, partition, message);
    const dueAt = this.#parts.options.dueAt?.(own) ?? 0;
    return {
      message: own,
      bytes: sizeOf(message),
      next: next ?? own.offset + 1,
      dueSince: Math.max(Number(message.timestamp), dueAt),
      dueAt,
      fetchedAt,
    };
  }
}

/** Returns the size of a message, without the overhead of its encoding, in bytes. */
function sizeOf({ key, value, headers }: KafkaMessage): number {
  const ofHeaders = Object.entries(headers ?? {}).map(
    ([name, content]) => name.length + [content].flat().reduce((sum, each) => sum + (each?.length ?? 0), 0),
  );
  return ofHeaders.reduce((sum, bytes) => sum + bytes, (key?.length ?? 0) + (value?.length ?? 0));
}
