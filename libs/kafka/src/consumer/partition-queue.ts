import type { ReceivedMessage } from './chunk.ts';

/** A message that waits in a queue. */
export interface QueuedMessage {
  readonly message: ReceivedMessage;
  /** Size of key, value and headers, in bytes. */
  readonly bytes: number;
  /** Offset to commit when the message is done. */
  readonly next: number;
  /** When the message became due or becomes due, in ms since the epoch. */
  readonly dueSince: number;
  /** When the message becomes due, in ms since the epoch; 0 means at once. */
  readonly dueAt: number;
  /**
   * From when on a question about its topic answers for the message, in ms on the monotonic clock: when it was fetched.
   * -Infinity if Kafka has checked the id of the topic.
   */
  readonly fetchedAt: number;
}

/** Stops and resumes the fetches of a partition. */
export interface FetchSwitch {
  pause(): void;
  resume(): void;
}

/**
 * The fetched messages of one partition that are not done yet, in order.
 *
 * A queue that has reached its bound pauses its partition, and resumes it when it is half empty. What is fetched by then
 * is taken all the same, so a message of any size passes.
 */
export class PartitionQueue {
  readonly #maxBytes: number;
  readonly #fetches: FetchSwitch;
  #messages: QueuedMessage[] = [];
  #bytes = 0;
  #isPaused = false;

  /** @param maxBytes size from which on nothing more is fetched. */
  constructor(maxBytes: number, fetches: FetchSwitch) {
    this.#maxBytes = maxBytes;
    this.#fetches = fetches;
  }

  get head(): QueuedMessage | undefined {
    return this.#messages[0];
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  append(messages: readonly QueuedMessage[]): void {
    for (const each of messages) {
      this.#messages.push(each);
      this.#bytes += each.bytes;
    }
    if (this.#isPaused || this.#bytes < this.#maxBytes) return;
    this.#isPaused = true;
    this.#fetches.pause();
  }

  /** Returns the first messages, at most `count`, up to the first that `belongs` refuses. They stay in the queue. */
  first(count: number, belongs: (message: QueuedMessage) => boolean): readonly QueuedMessage[] {
    const end = this.#messages.findIndex((message, i) => i >= count || !belongs(message));
    return this.#messages.slice(0, end < 0 ? count : end);
  }

  /** Removes the first `count` messages: they are done. @returns the last of them. */
  remove(count: number): QueuedMessage | undefined {
    const removed = this.#messages.splice(0, count);
    for (const { bytes } of removed) this.#bytes -= bytes;
    if (this.#bytes <= this.#maxBytes / 2) this.#resume();
    return removed.at(-1);
  }

  /** Drops all messages. */
  clear(): void {
    this.#messages = [];
    this.#bytes = 0;
    this.#resume();
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#fetches.resume();
  }
}
