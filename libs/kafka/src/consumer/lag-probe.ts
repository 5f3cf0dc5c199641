import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@bulk/runtime';
import type { Admin, Kafka } from 'kafkajs';
import type { ConsumerLag } from './lag.ts';

export interface LagProbeOptions {
  readonly kafka: Kafka;
  readonly groupId: string;
  readonly lag: ConsumerLag;
  /** Whether a group without a commit starts at the beginning of the log, and not at its current end. */
  readonly fromBeginning: boolean;
  /** Time between two requests, in ms. */
  readonly intervalMs: number;
  readonly log: Logger;
}

/**
 * Asks the broker for the ends of the logs, on a connection of its own. A stalled consumer fetches nothing, and would
 * never learn that it is behind. It makes one request at a time. While Kafka is unavailable, the lag keeps its last
 * values.
 */
export class LagProbe {
  readonly #options: LagProbeOptions;
  readonly #stopping = new AbortController();
  #admin: Admin | undefined;
  #loop: Promise<void> | undefined;

  constructor(options: LagProbeOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await this.#close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { intervalMs, log } = this.#options;
    for (;;) {
      // A stop aborts the sleep. The probe alone keeps no process alive.
      await sleep(intervalMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.#look();
      } catch (error) {
        log.debug({ err: error }, 'Ends of the logs not read; retrying');
        await this.#close();
      }
    }
  }

  async #look(): Promise<void> {
    const { kafka, lag, groupId, fromBeginning } = this.#options;
    const { topics } = lag;
    if (topics.length === 0) return;
    this.#admin ??= kafka.admin({ retry: { retries: 0 } });
    const admin = this.#admin;
    await admin.connect();
    for (const topic of topics) {
      // It reads the positions first: an end that is older than a position would look like a topic that was created
      // again.
      const [committed] = lag.lacksPosition(topic)
        ? await admin.fetchOffsets({ groupId, topics: [topic] })
        : [];
      for (const { partition, high, low } of await admin.fetchTopicOffsets(topic)) {
        const commit = committed?.partitions.find((each) => each.partition === partition);
        if (commit !== undefined) {
          const none = Number(commit.offset) < 0;
          const first = Number(fromBeginning ? low : high);
          lag.beginsAt(topic, partition, none ? first : Number(commit.offset));
        }
        lag.reached(topic, partition, Number(high));
      }
    }
  }

  async #close(): Promise<void> {
    const admin = this.#admin;
    this.#admin = undefined;
    // A broken connection may fail to close.
    await admin?.disconnect().catch(() => undefined);
  }
}
