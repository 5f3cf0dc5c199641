import { firstWithin } from '@bulk/domain';
import type { RecordMetadata } from 'kafkajs';
import type { PlacedMessage } from './partition-chooser.ts';
import { ProduceError } from './produce-error.ts';
import { isConfirmed, NoSessionError, type Delivery, type TopicMessages } from './sessions.ts';

/** Sends messages once, in one request for each leader. */
export type Deliver = (batches: readonly TopicMessages[], delivery: Delivery) => Promise<RecordMetadata[]>;

export interface PartitionQueuesOptions {
  /** Maximum time of a send in ms, including the wait for its turn. */
  readonly timeoutMs: number;
  /** Returns the leader of a partition, as far as known. It decides only which sends wait for each other. */
  readonly leaderOf: (topic: string, partition: number) => number | undefined;
  /** Maximum bytes of the messages of one partition in a request, unless a single call has more. */
  readonly maxPartitionBytes?: number;
  /** Maximum bytes of the messages in a request, unless a single call has more. */
  readonly maxRequestBytes?: number;
  /** Clock, in ms. */
  readonly now?: () => number;
}

/** Half of Kafka's default limit of a record batch, `max.message.bytes`, since our estimate leaves out headers. */
const MAX_PARTITION_BYTES = 524_288;
const MAX_REQUEST_BYTES = 8_388_608;

/** The messages of one call for one partition. */
interface Parcel {
  readonly messages: readonly PlacedMessage[];
  readonly bytes: number;
  readonly deadline: number;
  /** Whether a request that held it together with others has failed. It is sent alone then. */
  suspect: boolean;
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
  /** Whether its last send failed, alone or with others. Until a send succeeds, its parcels are sent one by one. */
  suspect: boolean;
}

/** The parcels of a partition that share a request. */
interface Load {
  readonly queue: Queue;
  readonly parcels: readonly Parcel[];
}

/**
 * Sends the messages of a partition one request after the other, and leaders independently of each other.
 *
 * - A partition has at most one send under way. While kafkajs retries a send whose answer is missing, it would give the
 *   same sequence number to another send of that partition. The broker would confirm that one as a repetition and drop
 *   it.
 * - A leader has at most one send under way, because kafkajs would make a second one wait anyway. What is asked for
 *   meanwhile goes into the next request together (group commit), since a request costs a round trip and the broker's
 *   work whatever its size. An idle producer sends at once.
 * - If a send fails, each of its parcels is sent alone: one is to blame, and the others are confirmed. A parcel that
 *   fails alone fails its call. The parcels of its partition are sent alone until one succeeds, so the partition
 *   neither delays nor fails another.
 * - Each call settles within the time limit, which includes the wait for its turn.
 */
export class PartitionQueues {
  readonly #deliver: Deliver;
  readonly #options: Required<PartitionQueuesOptions>;
  readonly #queues = new Map<string, Queue>();
  readonly #ready = new Set<Queue>();
  /** The leaders to which a send is under way. */
  readonly #busy = new Set<number | undefined>();
  #planned = false;

  constructor(deliver: Deliver, options: PartitionQueuesOptions) {
    this.#deliver = deliver;
    this.#options = {
      maxPartitionBytes: MAX_PARTITION_BYTES,
      maxRequestBytes: MAX_REQUEST_BYTES,
      now: Date.now,
      ...options,
    };
  }

  /**
   * Sends messages and resolves when every one is confirmed. It settles only when the fate of each message is known.
   *
   * @throws ProduceError if a message is not confirmed; an error that must not be retried takes precedence.
   */
  async send(topic: string, messages: readonly PlacedMessage[]): Promise<RecordMetadata[]> {
    const byPartition = groupBy(messages, ({ partition }) => partition);
    const deadline = this.#options.now() + this.#options.timeoutMs;
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
      queue.waiting.push({ messages, bytes: bytesOf(messages), deadline, suspect: false, confirm, fail });
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
    this.#planStart();
  }

  #planStart(): void {
    if (this.#planned || this.#ready.size === 0) return;
    this.#planned = true;
    queueMicrotask(() => {
      this.#planned = false;
      this.#start();
    });
  }

  #start(): void {
    for (const queue of this.#ready) this.#expire(queue);
    const [suspect = [], sound = []] = [true, false].map((is) =>
      [...this.#ready].filter((queue) => isSuspect(queue) === is),
    );
    const byLeader = groupBy(sound, ({ topic, partition }) => this.#options.leaderOf(topic, partition));
    for (const [leader, queues] of byLeader) if (!this.#busy.has(leader)) void this.#sendTo(leader, queues);
    for (const queue of suspect) this.#sendAlone(queue);
  }

  /** Fails the parcels whose time is up, and removes a queue that has nothing to send from the ready ones. */
  #expire(queue: Queue): void {
    while (!queue.busy) {
      const [first] = queue.waiting;
      if (first === undefined || first.deadline > this.#options.now()) break;
      queue.waiting.shift();
      first.fail(new ProduceError(queue.topic, new Error('its turn did not come in time')));
    }
    if (!queue.busy && queue.waiting.length > 0) return;
    this.#ready.delete(queue);
    if (queue.waiting.length === 0 && !queue.busy && !queue.suspect) this.#queues.delete(queue.key);
  }

  #sendAlone(queue: Queue): void {
    this.#ready.delete(queue);
    void this.#send([{ queue, parcels: queue.waiting.splice(0, 1) }], true);
  }

  async #sendTo(leader: number | undefined, queues: readonly Queue[]): Promise<void> {
    this.#busy.add(leader);
    await this.#send(this.#loadsOf(queues), false);
    this.#busy.delete(leader);
    this.#planStart();
  }

  /** Takes what fits into one request. Queues of which nothing fits stay ready. */
  #loadsOf(queues: readonly Queue[]): Load[] {
    const { maxPartitionBytes, maxRequestBytes } = this.#options;
    const loads: Load[] = [];
    let total = 0;
    for (const queue of queues) {
      const parcels = firstWithin(queue.waiting, [{ sizeOf: ({ bytes }) => bytes, max: maxPartitionBytes }]);
      const bytes = parcels.reduce((sum, parcel) => sum + parcel.bytes, 0);
      if (loads.length > 0 && total + bytes > maxRequestBytes) continue;
      total += bytes;
      queue.waiting.splice(0, parcels.length);
      this.#ready.delete(queue);
      loads.push({ queue, parcels });
    }
    return loads;
  }

  async #send(loads: readonly Load[], apart: boolean): Promise<void> {
    for (const { queue } of loads) queue.busy = true;
    const parcels = loads.flatMap((load) => load.parcels);
    // The parcels behind one have later deadlines, so none of them waits beyond its own.
    const timeoutMs = Math.min(...parcels.map(({ deadline }) => deadline)) - this.#options.now();
    const batches = [...groupBy(loads, ({ queue }) => queue.topic)].map(([topic, own]) => ({
      topic,
      messages: own.flatMap((load) => load.parcels.flatMap(({ messages }) => messages)),
    }));
    let answer: RecordMetadata[] = [];
    let error: unknown;
    try {
      answer = await this.#deliver(batches, { apart, timeoutMs });
    } catch (cause) {
      error = cause;
    }
    for (const load of loads) this.#settle(load, answer, error, parcels.length === 1);
  }

  #settle({ queue, parcels }: Load, answer: readonly RecordMetadata[], error: unknown, alone: boolean): void {
    const { topic, partition } = queue;
    queue.busy = false;
    if (isConfirmed(topic, partition, answer)) {
      queue.suspect = false;
      const own = answer.filter((one) => one.topicName === topic && one.partition === partition);
      for (const parcel of parcels) parcel.confirm(own);
    } else if (error instanceof NoSessionError) {
      for (const parcel of parcels) parcel.fail(new ProduceError(topic, error.cause));
    } else {
      queue.suspect = true;
      if (alone)
        for (const parcel of parcels) parcel.fail(new ProduceError(topic, error ?? leftOut(partition)));
      else queue.waiting.unshift(...parcels.map((parcel) => ({ ...parcel, suspect: true })));
    }
    this.#plan(queue);
  }
}

function isSuspect({ suspect, waiting: [first] }: Queue): boolean {
  return suspect || first?.suspect === true;
}

function bytesOf(messages: readonly PlacedMessage[]): number {
  return messages.reduce((sum, { key, value }) => sum + lengthOf(key) + lengthOf(value), 0);
}

function lengthOf(content: Buffer | string | null | undefined): number {
  return content === null || content === undefined ? 0 : Buffer.byteLength(content);
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
