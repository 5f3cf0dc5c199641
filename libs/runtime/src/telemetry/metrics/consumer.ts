import { SECONDS, type Metrics } from './metrics.ts';

/** The lag of a consumer in one partition, as ConsumerLag of @bulk/kafka reports it. */
export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  /** Number of messages after the position; undefined while the position is unknown. */
  readonly messages: number | undefined;
  /** Age of the oldest message that is due and not processed, in seconds. */
  readonly seconds: number;
}

/** Receives the measurements of a ChunkConsumer of @bulk/kafka. */
export interface ConsumerRecorder {
  chunk(seconds: number, messages: number): void;
  failed(): void;
  committed(seconds: number): void;
  assigned(): void;
}

/**
 * Declares the instruments of the consumers of a service.
 *
 * @param lags consumer → a function that returns its current lag. The names are fixed, unlike those of groups.
 * @returns a function that returns the recorder of a consumer.
 */
export function addConsumers<N extends string>(
  metrics: Metrics,
  lags: Readonly<Record<N, () => readonly PartitionLag[]>>,
): (consumer: N) => ConsumerRecorder {
  addLag(metrics, lags);
  const chunks = metrics.histogram({
    name: 'bulk_consumer_chunk_duration_seconds',
    help: 'Time to process a chunk of messages that are committed together, including all tries and waits.',
    labels: ['consumer'],
    buckets: SECONDS,
  });
  const messages = metrics.counter({
    name: 'bulk_consumer_messages_total',
    help: 'Number of processed messages, including redeliveries.',
    labels: ['consumer'],
  });
  const failures = metrics.counter({
    name: 'bulk_consumer_failures_total',
    help: 'Number of failed tries of a chunk. The chunk is then retried or dead-lettered.',
    labels: ['consumer'],
  });
  const commits = metrics.histogram({
    name: 'bulk_consumer_commit_duration_seconds',
    help: 'Duration of commits of offsets to Kafka.',
    labels: ['consumer'],
    buckets: SECONDS,
  });
  const assignments = metrics.counter({
    name: 'bulk_consumer_assignments_total',
    help: 'Number of times that the group assigned partitions to this member: at the start, and at each rebalance.',
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
      help: 'Number of unprocessed messages of a partition of this member: end of the log minus position. Messages of a retry topic wait intentionally.',
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
      help: 'Age of the oldest unprocessed message that is due in a partition of this member, including the one in progress; 0 if there is none. An upper bound if that message was not fetched yet.',
      labels,
    },
    () => all().map(([consumer, lag]) => sample(consumer, lag, lag.seconds)),
  );
}
