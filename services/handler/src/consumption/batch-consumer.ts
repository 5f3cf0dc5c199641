import { DONE, type Chunk, type Disposition, type ReceivedMessage } from '@bulk/kafka';
import { Places } from '@bulk/runtime';
import type { Turn } from '../lanes/lane-gate.ts';
import { DisjointBatches } from './disjoint-batches.ts';
import type { MessageProcessor } from './message-processor.ts';
import { newWork, type MessageWork } from './message-work.ts';

/** Receives what a call of `BatchConsumer.process` did. */
export interface ProcessObserver extends Turn {
  /** Records that a message could not be read, or that a step after its application failed. */
  failed(): void;
}

export interface BatchConsumerOptions {
  /**
   * Maximum number of entities of a group that are processed one by one at the same time. Without a
   * bound that its batches share, a group would call other systems as many times more often.
   */
  readonly entityConcurrency: number;
  /** Monotonic clock, in ms. */
  readonly monotonic: () => number;
}

/**
 * Processes the messages of a lane in groups: decodes the batches, applies them at the same time and
 * sends their results. The offsets are committed after that.
 *
 * A group is the longest run of messages at the head of the partition in which no entity occurs
 * twice. The next group starts only when every message of this one is done: its result is confirmed,
 * or it is postponed, dead-lettered or dropped. So a batch is applied only when every earlier batch
 * that names one of its entities is done, and an entity whose fence is ahead proves that the result
 * of this batch is already in Kafka (see SupersededError). A crash anywhere leads to a redelivery and
 * never to a gap (G2).
 *
 * A batch whose action type processes entities one by one is a group of its own: such types call
 * other systems, and a group of them would take as many times longer than a batch, in one go.
 *
 * Each message of a group goes its own way. One that must wait holds back neither the application
 * nor the results of the others, and one that is done is not touched again.
 */
export class BatchConsumer {
  readonly #processor: Pick<MessageProcessor, 'open' | 'try'>;
  readonly #options: BatchConsumerOptions;
  /** The work per message. A chunk that is given again brings the same messages. */
  readonly #works = new WeakMap<ReceivedMessage, MessageWork>();

  constructor(processor: Pick<MessageProcessor, 'open' | 'try'>, options: BatchConsumerOptions) {
    this.#processor = processor;
    this.#options = options;
  }

  /**
   * Tries the messages of the first group that are due, once each.
   *
   * @throws PartitionLostError, ConsumerStoppingError: leave the chunk as it is.
   */
  async process(chunk: Chunk, observer?: Partial<ProcessObserver>): Promise<Disposition> {
    const { monotonic, entityConcurrency } = this.#options;
    const group = await this.#groupAtHead(chunk.messages.map((message) => this.#workOn(message)));
    const now = monotonic();
    const due = group.filter((work) => !work.isDone && work.dueAt <= now);
    observer?.took?.(due.length);
    const slots = new Places(entityConcurrency);
    const owned: Chunk = { ...chunk, confirmOwnership: shared(() => chunk.confirmOwnership()) };
    const tried = await Promise.allSettled(due.map((work) => this.#processor.try(work, owned, slots)));
    const interrupted = tried.find((one) => one.status === 'rejected');
    if (interrupted !== undefined) throw interrupted.reason;
    for (const one of tried) if (one.status === 'fulfilled' && one.value) observer?.failed?.();
    return dispositionOf(group, chunk.messages.length, monotonic());
  }

  #workOn(message: ReceivedMessage): MessageWork {
    const known = this.#works.get(message);
    if (known !== undefined) return known;
    const work = newWork(message);
    this.#works.set(message, work);
    return work;
  }

  /**
   * Returns the messages of the open group of the partition, or opens a group.
   *
   * A group that is open takes no further messages, although some may have been appended to the
   * chunk meanwhile. A message that cannot be decoded now ends the group before it, and is a group
   * of its own when its turn comes.
   */
  async #groupAtHead(works: readonly MessageWork[]): Promise<readonly MessageWork[]> {
    const [first] = works;
    if (first === undefined) return [];
    const open = first.group;
    if (open !== undefined)
      return works.slice(
        0,
        runLength(works, (work) => work.group === open),
      );
    const group: MessageWork[] = [];
    const batches = new DisjointBatches();
    for (const work of works) {
      const batch = await this.#processor.open(work).catch(() => undefined);
      const joins = batch !== undefined && !batch.isAlone;
      if (group.length > 0 && (!joins || !batches.add(batch.content))) break;
      group.push(work);
      work.group = group;
      if (!joins) break;
      if (group.length === 1) batches.add(batch.content);
    }
    return group;
  }
}

/**
 * Returns what becomes of a chunk after a try of its first group.
 *
 * @param length number of messages of the chunk.
 */
function dispositionOf(group: readonly MessageWork[], length: number, now: number): Disposition {
  const done = runLength(group, ({ isDone }) => isDone);
  if (done === length) return DONE;
  const waiting = group.filter(({ isDone }) => !isDone).map(({ dueAt }) => dueAt);
  const next = waiting.length === 0 ? now : Math.min(...waiting);
  return { kind: 'retry', done, afterMs: Math.max(0, Math.ceil(next - now)) };
}

/** Returns how many items at the head of a list fulfil a condition. */
function runLength<T>(items: readonly T[], condition: (item: T) => boolean): number {
  const end = items.findIndex((item) => !condition(item));
  return end === -1 ? items.length : end;
}

/**
 * Returns a function that joins the call under way, if there is one. The messages of a group ask at
 * the same time whether their partition is still owned, and one question to the group answers all.
 */
function shared(ask: () => Promise<void>): () => Promise<void> {
  let underWay: Promise<void> | undefined;
  return () => {
    underWay ??= ask().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
}
