import type { RecordMetadata } from 'kafkajs';
import type { PlacedMessage } from './partition-chooser.ts';
import { ProduceError } from './produce-error.ts';
import { isConfirmed, NoSessionError, type Delivery } from './sessions.ts';

/** Sends messages of one topic once. */
export type Deliver = (
  topic: string,
  messages: readonly PlacedMessage[],
  delivery: Delivery,
) => Promise<RecordMetadata[]>;

/** The messages of one call for one partition. */
interface Parcel {
  readonly queue: Queue;
  readonly messages: readonly PlacedMessage[];
  readonly deadline: number;
  readonly confirm: (answer: RecordMetadata[]) => void;
  readonly fail: (error: ProduceError) => void;
}

/** The parcels of one partition, in the order in which they were given. */
interface Queue {
  readonly key: string;
  readonly topic: string;
  readonly partition: number;
  readonly waiting: Parcel[];
  busy: boolean;
  /** Whether its last send failed, alone or with others. Until a send succeeds, the queue is sent alone. */
  suspect: boolean;
}

/**
 * Sends the messages of a partition one after the other, and partitions independently of each other.
 *
 * - A partition has at most one send under way. While kafkajs retries a send whose answer is missing, it would give the
 *   same sequence number to another send of that partition. The broker would confirm that one as a repetition and drop
 *   it.
 * - Messages that are ready at the same time share one send per topic, because a send takes a round trip whatever its
 *   size.
 * - If a send of several partitions fails, each of them is sent alone: one is to blame, and the others are confirmed. A
 *   partition that fails alone fails its call. It is sent alone until it succeeds, so it neither delays nor fails
 *   another.
 * - Each call settles within the time limit, which includes the wait for its turn.
 */
export class PartitionQueues {
  readonly #deliver: Deliver;
  readonly #timeoutMs: number;
  readonly #now: () => number;
  readonly #queues = new Map<string, Queue>();
  readonly #ready = new Set<Queue>();
  #planned = false;

  constructor(deliver: Deliver, timeoutMs: number, now: () => number = Date.now) {
    this.#deliver = deliver;
    this.#timeoutMs = timeoutMs;
    this.#now = now;
  }

  /**
   * Sends messages and resolves when every one is confirmed. It settles only when the fate of each message is known.
   *
   * @throws ProduceError if a message is not confirmed; an error that must not be retried takes precedence.
   */
  async send(topic: string, messages: readonly PlacedMessage[]): Promise<RecordMetadata[]> {
    const byPartition = groupBy(messages, ({ partition }) => partition);
    const deadline = this.#now() + this.#timeoutMs;
    const sent = [...byPartition].map(([partition, own]) => this.#enqueue(topic, partition, own, deadline));
    const results = await Promise.allSettled(sent);
    const errors = results.flatMap((result) =>
      result.status === 'rejected' && result.reason instanceof ProduceError ? [result.reason] : [],
    );
    const error = errors.find(({ retryable }) => !retryable) ?? errors[0];
    if (error !== undefined) throw error;
    return results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
  }

  #enqueue(
    topic: string,
    partition: number,
    messages: readonly PlacedMessage[],
    deadline: number,
  ): Promise<RecordMetadata[]> {
    return new Promise((confirm, fail) => {
      const queue = this.#queueOf(topic, partition);
      queue.waiting.push({ queue, messages, deadline, confirm, fail });
      this.#plan(queue);
    });
  }

  #queueOf(topic: string, partition: number): Queue {
    const key = `${topic}/${partition}`;
    const known = this.#queues.get(key);
    if (known !== undefined) return known;
    const queue: Queue = { key, topic, partition, waiting: [], busy: false, suspect: false };
    this.#queues.set(key, queue);
    return queue;
  }

  /** Sends the ready queues, after all that become ready in this turn of the event loop are known. */
  #plan(queue: Queue): void {
    this.#ready.add(queue);
    if (this.#planned) return;
    this.#planned = true;
    queueMicrotask(() => {
      this.#planned = false;
      this.#start();
    });
  }

  #start(): void {
    const parcels = [...this.#ready].flatMap((queue) => this.#next(queue));
    this.#ready.clear();
    const together = parcels.filter(({ queue }) => !queue.suspect);
    for (const group of groupBy(together, ({ queue }) => queue.topic).values())
      void this.#sendGroup(group, false);
    for (const parcel of parcels.filter(({ queue }) => queue.suspect)) void this.#sendGroup([parcel], true);
  }

  /**
   * Returns the next parcel of a queue. It fails the parcels whose time is up, and deletes a queue that is no longer
   * needed.
   */
  #next(queue: Queue): Parcel[] {
    if (queue.busy) return [];
    for (let parcel = queue.waiting.shift(); parcel !== undefined; parcel = queue.waiting.shift()) {
      if (parcel.deadline > this.#now()) {
        queue.busy = true;
        return [parcel];
      }
      parcel.fail(new ProduceError(queue.topic, new Error('its turn did not come in time')));
    }
    if (!queue.suspect) this.#queues.delete(queue.key);
    return [];
  }

  /** @param group parcels of one topic, each of another partition. */
  async #sendGroup(group: readonly Parcel[], apart: boolean): Promise<void> {
    const [first] = group;
    if (first === undefined) return;
    const { topic } = first.queue;
    // The parcels behind one have later deadlines, so none of them waits beyond its own.
    const timeoutMs = Math.min(...group.map(({ deadline }) => deadline)) - this.#now();
    const messages = group.flatMap((parcel) => parcel.messages);
    let answer: RecordMetadata[] = [];
    let error: unknown;
    try {
      answer = await this.#deliver(topic, messages, { apart, timeoutMs });
    } catch (cause) {
      error = cause;
    }
    for (const parcel of group) this.#settle(parcel, answer, error, group.length === 1);
  }

  #settle(parcel: Parcel, answer: readonly RecordMetadata[], error: unknown, alone: boolean): void {
    const { queue } = parcel;
    const { topic, partition } = queue;
    queue.busy = false;
    if (isConfirmed(partition, answer)) {
      queue.suspect = false;
      parcel.confirm(answer.filter((confirmed) => confirmed.partition === partition));
    } else if (error instanceof NoSessionError) {
      parcel.fail(new ProduceError(topic, error.cause));
    } else {
      queue.suspect = true;
      if (alone) parcel.fail(new ProduceError(topic, error ?? leftOut(partition)));
      else queue.waiting.unshift(parcel);
    }
    this.#plan(queue);
  }
}

function leftOut(partition: number): Error {
  return new Error(`the answer leaves out partition ${partition}`);
}

function groupBy<Item, Key>(items: readonly Item[], keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
