import type { BackoffOptions, Logger } from '@bulk/runtime';
import type { Kafka } from 'kafkajs';
import type { ConsumerConfig } from '../client/config.ts';
import type { Chunk, ReceivedMessage } from './chunk.ts';
import type { Disposition } from './disposition.ts';
import type { ConsumerInstruments } from './instruments.ts';

export interface ChunkConsumerOptions {
  readonly kafka: Kafka;
  readonly groupId: string;
  readonly topics: readonly string[];
  readonly config: ConsumerConfig;
  /** Maximum number of messages per chunk. A chunk takes what has arrived and waits for no further messages. */
  readonly chunkSize: number;
  /** Number of partitions that are processed at the same time. A partition that waits does not count. */
  readonly concurrency: number;
  /** Whether a group without a committed offset starts at the beginning of the log, and not at its end. */
  readonly fromBeginning: boolean;
  /** Time between two commits of the partitions that make progress, in ms. */
  readonly commitIntervalMs: number;
  readonly backoff: BackoffOptions;
  /**
   * Processes a chunk and returns what becomes of it. Only messages whose effects are durable are committed. It may get
   * a chunk again.
   *
   * A thrown error means that the same chunk is tried again after the backoff (exponential, full jitter).
   */
  readonly process: (chunk: Chunk) => Promise<Disposition>;
  /**
   * Returns the time at which a message becomes due, in ms since the epoch. Default: at once. A message that is not due
   * waits until that time, and the messages after it in its partition wait too.
   */
  readonly dueAt?: (message: ReceivedMessage) => number;
  /**
   * Resolves if the messages that were fetched from a topic before the call may be processed. Partitions share calls.
   * If it rejects, it is called again after a second, and all messages of the topic wait.
   *
   * It is called after each fetch by name, when a broker refuses an id of `topicIds`, and before each commit.
   */
  readonly admit?: (topic: string) => Promise<void>;
  /**
   * Topic name → id of the topic whose messages may be processed. Topics are fetched by these ids if all topics of the
   * consumer have one and the broker supports that (Kafka 3.1), and by their names otherwise.
   */
  readonly topicIds?: ReadonlyMap<string, string>;
  /** Called when the consumer has failed for good. The process should end and be restarted. */
  readonly onCrash: (error: unknown) => void;
  /** Called each time the group assigns partitions to this member. */
  readonly onAssigned?: (partitions: Readonly<Record<string, readonly number[]>>) => void;
  /**
   * Called after `onAssigned`, when the position in every partition is known: every message that is appended from now
   * on will be seen.
   *
   * If `fromBeginning` is false, a partition without a commit starts at its end as of the first fetch, which is later
   * than `onAssigned`. A reader that loads a state from elsewhere and keeps it current by the messages must load it
   * here.
   */
  readonly onPositioned?: () => void;
  /** Called when the consumer has crashed and restarts by itself. `onAssigned` follows when the consumer is back. */
  readonly onInterrupted?: (error: unknown) => void;
  /** Receives the consumer's measurements and its lag. */
  readonly instruments?: ConsumerInstruments;
  readonly log: Logger;
}
