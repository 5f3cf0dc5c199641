import { SECONDS, type Metrics } from './metrics.ts';

/** How far a consumer is behind in one partition; that of @bulk/kafka's ConsumerLag. */
export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  /** Messages behind the position; undefined while the position is not known. */
  readonly messages: number | undefined;
  /** Age of the oldest message that is to be processed and is not, in seconds. */
  readonly seconds: number;
}

/** What a ChunkConsumer of @bulk/kafka tells. */
export interface ConsumerRecorder {
  chunk(seconds: number, messages: number): void;
  failed(): void;
  committed(seconds: number): void;
  assigned(): void;
}

/**
 * The instruments of the consumers of a service.
 *
 * @param lags the consumers by name, each with its lag as of now. A name is fixed, as a group's need not be.
 * @returns a recorder for the consumer of that name.
 */
export function addConsumers<N extends string>(
  metrics: Metrics,
  lags: Readonly<Record<N, () => readonly PartitionLag[]>>,
): (consumer: N) => ConsumerRecorder {
  addLag(metrics, lags);
  const chunks = metrics.histogram({
    name: 'bulk_consumer_chunk_duration_seconds',
    help: 'Time to process what is committed together, all tries and waits included.',
    labels: ['consumer'],
    buckets: SECONDS,
  });
  const messages = metrics.counter({
    name: 'bulk_consumer_messages_total',
    help: 'Messages that were processed, redeliveries included.',
    labels: ['consumer'],
  });
  const failures = metrics.counter({
    name: 'bulk_consumer_failures_total',
    help: 'Tries of a chunk that failed as a whole; it is tried again or given up.',
    labels: ['consumer'],
  });
  const commits = metrics.histogram({
    name: 'bulk_consumer_commit_duration_seconds',
    help: 'Time of commits of offsets to Kafka; their number is its _count.',
    labels: ['consumer'],
    buckets: SECONDS,
  });
  const assignments = metrics.counter({
    name: 'bulk_consumer_assignments_total',
    help: 'Times that the group gave this member its partitions: the start, and each rebalance.',
    labels: ['consumer'],
  });
  return (consumer) => ({
    chunk: (seconds, count) => {
      chunks.observe({ consumer }, seconds);
      messages.inc({ consumer }, count);
    },
    failed: () => failures.inc({ consumer }),
    committed: (seconds) => commits.observe({ consumer }, seconds),
    assigned: () => assignments.inc({ consumer }),
  });
}

function addLag(metrics: Metrics, lags: Readonly<Record<string, () => readonly PartitionLag[]>>): void {
  const labels = ['consumer', 'topic', 'partition'] as const;
  const sample = (consumer: string, { topic, partition }: PartitionLag, value: number) => ({
    labels: { consumer, topic, partition: String(partition) },
    value,
  });
  const all = (): (readonly [string, PartitionLag])[] =>
    Object.entries(lags).flatMap(([consumer, read]) => read().map((lag) => [consumer, lag] as const));
  metrics.sampled(
    {
      name: 'bulk_consumer_lag_messages',
      help: 'Messages of a partition of this member that are not processed: end of the log less position. Those of a retry topic wait on purpose.',
      labels,
    },
    () =>
      all().flatMap(([consumer, lag]) =>
        lag.messages === undefined ? [] : [sample(consumer, lag, lag.messages)],
      ),
  );
  metrics.sampled(
    {
      name: 'bulk_consumer_lag_seconds',
      help: 'Age of the oldest message of a partition of this member that is due and not processed, the one under way included; 0: none. Where that message was not fetched yet, an upper bound.',
      labels,
    },
    () => all().map(([consumer, lag]) => sample(consumer, lag, lag.seconds)),
  );
}
