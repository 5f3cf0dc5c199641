import type { Logger } from '@bulk/runtime';
import type { PartitionOffset } from '../kafkajs-patches/memberships.ts';
import { isLostPartition } from './ownership.ts';

/**
 * Commits the positions of all partitions that have progressed, in one request per interval. A commit that fails is
 * sent again at the next interval, with the positions of then.
 */
export class OffsetCommits {
  readonly #send: (offsets: readonly PartitionOffset[]) => Promise<void>;
  readonly #intervalMs: number;
  readonly #log: Logger;
  readonly #pending = new Map<string, PartitionOffset>();
  #timer: NodeJS.Timeout | undefined;
  #underWay: Promise<void> | undefined;
  #isClosed = false;

  constructor(send: (offsets: readonly PartitionOffset[]) => Promise<void>, intervalMs: number, log: Logger) {
    this.#send = send;
    this.#intervalMs = intervalMs;
    this.#log = log;
  }

  /** Records the position of a partition, to be committed within the interval. */
  note(offset: PartitionOffset): void {
    if (this.#isClosed) return;
    this.#pending.set(`${offset.topic}/${offset.partition}`, offset);
    this.#schedule();
  }

  /** Commits what is recorded, once, and takes no more. It never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#underWay;
    await this.#commit();
  }

  /** Forgets what is recorded, and takes no more. */
  discard(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#pending.clear();
  }

  #schedule(): void {
    if (this.#isClosed || this.#timer !== undefined || this.#underWay !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#underWay = this.#commit().finally(() => {
        this.#underWay = undefined;
        if (this.#pending.size > 0) this.#schedule();
      });
    }, this.#intervalMs);
  }

  async #commit(): Promise<void> {
    if (this.#pending.size === 0) return;
    const offsets = [...this.#pending];
    this.#pending.clear();
    try {
      await this.#send(offsets.map(([, offset]) => offset));
    } catch (error) {
      // A newer position of the same partition stays.
      for (const [key, offset] of offsets) if (!this.#pending.has(key)) this.#pending.set(key, offset);
      const level = isLostPartition(error) ? 'debug' : 'warn';
      this.#log[level]({ err: error, partitions: offsets.length }, 'Offset commit failed; retrying');
    }
  }
}
