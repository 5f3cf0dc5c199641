import type { Metrics } from '@bulk/runtime/telemetry';
import type { LettersWaiting } from './upkeep/waiting-letters.ts';

/** Values that are read at each scrape; undefined while they are unknown. */
export interface StatsAggregatorGauges {
  readonly deadLetters: () => LettersWaiting | undefined;
  /** Collection → bytes that it takes. */
  readonly storedBytes: () => ReadonlyMap<string, number> | undefined;
  /** How long Kafka keeps messages, in seconds. */
  readonly retentionSeconds: number;
}

/**
 * Declares the gauges of stats-aggregator.
 *
 * @returns a function that says what the gauges read from now on.
 */
export function addGauges(
  metrics: Metrics,
  now: () => Date = () => new Date(),
): (gauges: StatsAggregatorGauges) => void {
  let watched: StatsAggregatorGauges | undefined;
  const one = (value: number | undefined) => (value === undefined ? [] : [{ labels: {}, value }]);
  metrics.sampled(
    {
      name: 'bulk_dead_letters_waiting',
      help: 'Dead letters that were neither replayed nor dropped and that Kafka still holds. Read once a minute. Every instance reports about the same value.',
    },
    () => one(watched?.deadLetters()?.count),
  );
  metrics.sampled(
    {
      name: 'bulk_dead_letters_oldest_seconds',
      help: 'Age of the oldest dead letter that waits, to the minute; 0 if none waits. Kafka may remove a dead letter after bulk_retention_seconds, and then it cannot be replayed.',
    },
    () => one(ageOf(watched?.deadLetters(), now())),
  );
  metrics.sampled(
    {
      name: 'bulk_retention_seconds',
      help: 'Minimum time for which Kafka keeps messages of all topics except progress (KAFKA_RETENTION_HOURS).',
    },
    () => one(watched?.retentionSeconds),
  );
  metrics.sampled(
    {
      name: 'bulk_stored_bytes',
      help: 'Storage that a collection takes in MongoDB, compressed and with its indexes. Read once a minute. Every instance reports about the same value.',
      labels: ['collection'],
    },
    () =>
      [...(watched?.storedBytes() ?? [])].map(([collection, value]) => ({ labels: { collection }, value })),
  );
  return (gauges) => {
    watched = gauges;
  };
}

function ageOf(letters: LettersWaiting | undefined, now: Date): number | undefined {
  if (letters?.oldestAt === undefined) return letters === undefined ? undefined : 0;
  return Math.max(0, now.getTime() - letters.oldestAt.getTime()) / 1_000;
}
