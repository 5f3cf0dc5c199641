import { headerText, MESSAGES, MalformedMessageError, type ActionProgress } from '@bulk/contracts';
import {
  ChunkConsumer,
  DONE,
  type Chunk,
  type ConsumerConfig,
  type ConsumerInstruments,
  type Kafka,
  type MessageCodec,
} from '@bulk/kafka';
import type { Health, Logger } from '@bulk/runtime';
import { beginSpan, TRACEPARENT } from '@bulk/runtime/telemetry';

export interface ProgressFeedOptions {
  readonly kafka: Kafka;
  readonly codec: MessageCodec;
  readonly topic: string;
  /** A group of this process alone, so that the process sees every event. */
  readonly groupId: string;
  readonly config: ConsumerConfig;
  /** Takes an action's state; never throws. */
  readonly publish: (progress: ActionProgress) => void;
  /**
   * Called when the feed has found its position, at the start or again. It may have missed earlier
   * events.
   */
  readonly onPositioned: () => void;
  readonly onCrash: (error: unknown) => void;
  readonly health: Health;
  readonly instruments: ConsumerInstruments;
  readonly log: Logger;
}

/** Name of the feed on `/healthz`. */
export const PROGRESS_FEED = 'progress feed';
const CHUNK_SIZE = 100;
/**
 * Time between two commits, in ms. A commit is only the place from which the consumer continues
 * after a crash of its own. Events that it reads again are older than what clients have seen.
 */
const COMMIT_INTERVAL_MS = 60_000;
const BACKOFF = { initialDelayMs: 100, maxDelayMs: 5_000 };

/**
 * Reads every progress event of the installation, from now on.
 *
 * The feed's group starts at the end of the topic and ends with the process. Missed events are made
 * up from MongoDB, because events are whole states.
 */
export class ProgressFeed {
  readonly #options: ProgressFeedOptions;
  #consumer: ChunkConsumer | undefined;

  constructor(options: ProgressFeedOptions) {
    this.#options = options;
  }

  /** Joins the group. Resolves when the feed has found its position for the first time. */
  async start(): Promise<void> {
    const { health, kafka, groupId, topic, config, onCrash, instruments, log } = this.#options;
    const positioned = new Promise<void>((resolve) => {
      this.#firstPositioned = resolve;
    });
    this.#consumer = await ChunkConsumer.start({
      kafka,
      groupId,
      topics: [topic],
      config,
      chunkSize: CHUNK_SIZE,
      concurrency: 1,
      fromBeginning: false,
      commitIntervalMs: COMMIT_INTERVAL_MS,
      backoff: BACKOFF,
      process: async (chunk) => {
        try {
          await this.#process(chunk);
          return DONE;
        } catch (error) {
          log.warn({ err: error }, 'Progress events delayed; retrying');
          throw error;
        }
      },
      onCrash,
      onInterrupted: (error) => health.set(PROGRESS_FEED, 'waiting', String(error)),
      onPositioned: () => this.#positioned(),
      instruments,
      log,
    });
    await positioned;
  }

  /**
   * Leaves and deletes the group. Otherwise the broker would remove it later.
   *
   * @param limitMs time limit in ms.
   */
  async stop(limitMs: number): Promise<void> {
    const { kafka, groupId, log } = this.#options;
    await this.#consumer?.stop(limitMs / 2);
    const admin = kafka.admin({ retry: { retries: 1 } });
    try {
      await admin.connect();
      await admin.deleteGroups([groupId]);
    } catch (error) {
      log.debug({ err: error, groupId }, 'Consumer group not deleted; the broker removes it');
    } finally {
      await admin.disconnect();
    }
  }

  #firstPositioned: () => void = () => undefined;

  #positioned(): void {
    this.#options.health.set(PROGRESS_FEED, 'ready');
    this.#options.onPositioned();
    this.#firstPositioned();
  }

  /**
   * Publishes the newest state of each action in a chunk. Rejects only while the Schema Registry is
   * unavailable: the events wait.
   */
  async #process(chunk: Chunk): Promise<void> {
    const newest = new Map<string, ActionProgress>();
    const parents = new Map<string, string>();
    for (const message of chunk.messages) {
      const progress = await this.#decode(chunk, message);
      if (progress === undefined) continue;
      const known = newest.get(progress.actionId);
      if (known !== undefined && progress.version <= known.version) continue;
      newest.set(progress.actionId, progress);
      parents.set(progress.actionId, headerText(message.headers, TRACEPARENT) ?? '');
    }
    for (const progress of newest.values()) {
      const { actionId, status } = progress;
      const attributes = { 'bulk.action_id': actionId, 'bulk.status': status };
      const span = beginSpan('publish progress', {
        kind: 'consumer',
        parent: parents.get(actionId) ?? null,
        attributes,
      });
      this.#options.publish(progress);
      span.end();
    }
  }

  async #decode(
    { topic, partition }: Chunk,
    { value, offset }: Chunk['messages'][number],
  ): Promise<ActionProgress | undefined> {
    try {
      return await this.#options.codec.decode(MESSAGES.actionProgress, value);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      this.#options.log.warn({ err: error, topic, partition, offset }, 'Undecodable message skipped');
      return undefined;
    }
  }
}
