import { backoffDelay, delay, unlessAborted, type Places } from '@bulk/runtime';
import type { Admissions } from './admissions.ts';
import type { Chunk } from './chunk.ts';
import type { ChunksUnderWay } from './chunks-under-way.ts';
import type { ConsumerInstruments } from './instruments.ts';
import { ConsumerStoppingError } from './interruptions.ts';
import type { ChunkConsumerOptions } from './options.ts';
import { assertHeld, confirmOwnership, isLostPartition, PartitionLostError } from './ownership.ts';
import type { HeldPartition } from './ownership.ts';
import { PartitionQueue, type FetchSwitch, type QueuedMessage } from './partition-queue.ts';

/** Time between two questions whether a topic may be processed, in ms. */
const NOT_ADMITTED_MS = 1_000;

/** Longest timer of Node, in ms. A wait for a later time takes several. */
const MAX_TIMER_MS = 2_147_483_647;

type Options = Pick<ChunkConsumerOptions, 'process' | 'dueAt' | 'chunkSize' | 'backoff' | 'log' | 'onCrash'>;

export interface PartitionWorkerParts {
  readonly options: Options;
  readonly held: HeldPartition;
  readonly maxQueueBytes: number;
  readonly fetches: FetchSwitch;
  readonly places: Places;
  readonly admissions: Admissions;
  readonly underWay: ChunksUnderWay;
  /** The assignment that the partition belongs to. */
  readonly owner: object;
  readonly instruments: Pick<ConsumerInstruments, 'recorder' | 'lag'>;
  /** Takes the offset of the first message that is not done. */
  readonly onPosition: (offset: number) => void;
}

/**
 * Processes the messages of one partition in order, one chunk at a time, for one membership.
 *
 * Between two chunks it waits for messages, for the first message to be due, for its topic to be admitted, or for the
 * next try. It takes a place only for `process` itself.
 */
export class PartitionWorker {
  readonly #parts: PartitionWorkerParts;
  readonly #key: string;
  readonly #queue: PartitionQueue;
  readonly #ending = new AbortController();
  readonly #loop: Promise<void>;
  #isSealed = false;
  #highWatermark = 0;
  /** Number of tries in a row that threw. */
  #tries = 0;
  /** Number of messages of the chunk whose try failed; its next try gets no others. */
  #failed: number | undefined;
  #startedAt: number | undefined;
  #onMessages: () => void = () => undefined;

  constructor(parts: PartitionWorkerParts) {
    this.#parts = parts;
    this.#key = `${parts.held.topic}/${parts.held.partition}`;
    this.#queue = new PartitionQueue(parts.maxQueueBytes, parts.fetches);
    this.#loop = this.#run().catch((error: unknown) => parts.options.onCrash(error));
  }

  get isPaused(): boolean {
    return this.#queue.isPaused;
  }

  get #isEnding(): boolean {
    return this.#ending.signal.aborted;
  }

  append(messages: readonly QueuedMessage[], highWatermark: number): void {
    if (this.#isEnding) return;
    const wasEmpty = this.#queue.head === undefined;
    this.#queue.append(messages);
    this.#highWatermark = highWatermark;
    if (wasEmpty) this.#noteHead();
    this.#onMessages();
  }

  /** Takes no new chunk and ends all waits. @returns when the chunk under way has ended, or the next try is due. */
  end(): Promise<void> {
    this.#ending.abort();
    this.#onMessages();
    return this.#loop;
  }

  /** Drops the queue. What a chunk under way does from now on moves no position. */
  seal(): void {
    this.#isSealed = true;
    this.#queue.clear();
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    await this.#awaitPredecessor();
    for (;;) {
      if (this.#isEnding) return;
      const admittedAt = await this.#awaitHead();
      if (admittedAt === undefined) continue;
      const leave = await this.#parts.places.take(signal);
      if (leave === undefined) return;
      const waitMs = await this.#processChunk(admittedAt).finally(leave);
      if (waitMs > 0) await delay(Math.min(waitMs, MAX_TIMER_MS), signal);
    }
  }

  async #awaitPredecessor(): Promise<void> {
    const { signal } = this.#ending;
    for (;;) {
      const before = this.#parts.underWay.before(this.#key);
      if (before === undefined || this.#isEnding) return;
      await Promise.race([before.ended, delay(before.leftMs + 1, signal)]);
    }
  }

  /** Waits until the first message may be processed. @returns up to which fetch; undefined if it has to look again. */
  async #awaitHead(): Promise<number | undefined> {
    const { signal } = this.#ending;
    const { head } = this.#queue;
    if (head === undefined) {
      await new Promise<void>((resolve) => (this.#onMessages = resolve));
      return undefined;
    }
    const waitMs = head.dueAt - Date.now();
    if (waitMs > 0) {
      await delay(Math.min(waitMs, MAX_TIMER_MS), signal);
      return undefined;
    }
    try {
      // The answer may take long, and the end of the membership must not wait for it.
      return await unlessAborted(
        this.#parts.admissions.admit(this.#parts.held.topic, head.fetchedAt),
        signal,
      );
    } catch (error) {
      const { topic, partition } = this.#parts.held;
      this.#parts.options.log.debug({ topic, partition, err: error }, 'Messages not admitted');
      await delay(NOT_ADMITTED_MS, signal);
      return undefined;
    }
  }

  /** Processes what is ready, once. @returns how long to wait before the next chunk, in ms. */
  async #processChunk(admittedAt: number): Promise<number> {
    const { options, underWay, owner } = this.#parts;
    const now = Date.now();
    const messages = this.#queue.first(
      this.#failed ?? options.chunkSize,
      ({ fetchedAt, dueAt }) => fetchedAt <= admittedAt && dueAt <= now,
    );
    const { started, ended } = underWay.add(this.#key, owner);
    const chunk = this.#chunkOf(messages, started);
    this.#startedAt ??= performance.now();
    try {
      const disposition = await options.process(chunk);
      if (disposition.kind === 'done') return this.#done(messages.length);
      this.#failed = undefined;
      this.#done(disposition.done);
      return disposition.afterMs;
    } catch (error) {
      return this.#failedTry(error, chunk);
    } finally {
      ended();
    }
  }

  #failedTry(error: unknown, chunk: Chunk): number {
    const { options, held, instruments } = this.#parts;
    if (this.#isSealed) return 0;
    if (error instanceof PartitionLostError || isLostPartition(error)) {
      const { topic, partition } = held;
      const offset = chunk.messages[0]?.offset;
      options.log.info({ topic, partition, offset }, 'Chunk left: its partition may be lost');
    } else {
      if (this.#isEnding || error instanceof ConsumerStoppingError) return 0;
      instruments.recorder.failed();
    }
    this.#failed = chunk.messages.length;
    this.#tries += 1;
    return backoffDelay(this.#tries, options.backoff);
  }

  /** The first `count` messages are done. @returns no wait. */
  #done(count: number): 0 {
    const { instruments, held, onPosition } = this.#parts;
    if (count === 0 || this.#isSealed) return 0;
    const last = this.#queue.remove(count);
    if (last === undefined) return 0;
    this.#tries = 0;
    this.#failed = undefined;
    instruments.recorder.chunk((performance.now() - (this.#startedAt ?? 0)) / 1_000, count);
    this.#startedAt = undefined;
    instruments.lag.processed(held.topic, held.partition, last.next, last.dueSince);
    this.#noteHead();
    onPosition(last.next);
    return 0;
  }

  #noteHead(): void {
    const { head } = this.#queue;
    const { instruments, held } = this.#parts;
    if (head === undefined) return;
    instruments.lag.atHead(
      held.topic,
      held.partition,
      head.message.offset,
      head.dueSince,
      this.#highWatermark,
    );
  }

  #chunkOf(messages: readonly QueuedMessage[], started: () => void): Chunk {
    const { held } = this.#parts;
    return {
      topic: held.topic,
      partition: held.partition,
      messages: messages.map(({ message }) => message),
      highWatermark: this.#highWatermark,
      ending: this.#ending.signal,
      started,
      heartbeat: async () => {
        assertHeld(held);
        await held.heartbeat();
      },
      confirmOwnership: () => confirmOwnership(held),
    };
  }
}
