import { OUTCOME_STATUSES } from '@bulk/domain';
import { ConsumerLag, type ConsumerRecorder } from '@bulk/kafka';
import {
  addConsumers,
  addDeadLetters,
  addDedupeHits,
  SECONDS,
  serviceMetrics,
  type IdentityConfig,
  type Metrics,
  type Readiness,
} from '@bulk/runtime/telemetry';
import type { AccountRecorder } from './accounting/account-recorder.ts';
import { addGauges, type StatsAggregatorGauges } from './gauges.ts';

/** Everything that stats-aggregator measures. */
export interface StatsAggregatorMetrics {
  readonly metrics: Metrics;
  readonly accounts: AccountRecorder;
  readonly lag: ConsumerLag;
  readonly consumer: ConsumerRecorder;
  /** Records that a message was dead-lettered, with the code of the cause. */
  readonly deadLettered: (code: string) => void;
  /** Reads these gauges from now on. */
  readonly watch: (gauges: StatsAggregatorGauges) => void;
}

/** The platform's codes for dead-lettered results. */
const DEAD_LETTER_CODES = ['MALFORMED_MESSAGE', 'ACTION_NOT_FOUND', 'PROCESSING_ERROR', 'STORE_FAILED'];
/** Maximum number of entities of a small action, for which an objective sets a time. */
const SMALL_ACTION = 10_000;
/** Covers actions of a hundred entities up to actions of millions. */
const ACTION_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 14_400];

/** Declares the instruments of stats-aggregator. */
export function createStatsAggregatorMetrics(
  identity: IdentityConfig,
  readiness: Readiness,
): StatsAggregatorMetrics {
  const metrics = serviceMetrics('stats-aggregator', identity, readiness);
  const lag = new ConsumerLag();
  return {
    metrics,
    lag,
    consumer: addConsumers(metrics, { results: () => lag.read() })('results'),
    accounts: accountRecorder(metrics),
    deadLettered: addDeadLetters(metrics, DEAD_LETTER_CODES),
    watch: addGauges(metrics),
  };
}

function accountRecorder(metrics: Metrics): AccountRecorder {
  const account = metrics.histogram({
    name: 'bulk_stats_account_duration_seconds',
    help: 'Time to write the logs and the counts of a chunk of results to MongoDB.',
    buckets: SECONDS,
  });
  const batches = metrics.counter({
    name: 'bulk_stats_batches_total',
    help: 'Batches whose outcomes were counted, each once.',
  });
  const outcomes = metrics.counter({
    name: 'bulk_stats_outcomes_total',
    help: 'Outcomes that were added to the counts of actions. If a replay changes an outcome, the new one is added too.',
    labels: ['outcome'],
  });
  const finished = metrics.counter({
    name: 'bulk_stats_actions_finished_total',
    help: 'Actions that have ended, by status.',
    labels: ['status'],
  });
  const duration = metrics.histogram({
    name: 'bulk_stats_action_duration_seconds',
    help: 'Time from the acceptance of an action, or from its scheduled time, to its end, without pauses that followed its first outcome, by size: small (up to 10,000 entities), large.',
    labels: ['size'],
    buckets: ACTION_SECONDS,
  });
  // The histogram starts at 0, so that the first action that ends is an increase.
  for (const size of ['small', 'large']) duration.zero({ size });
  const deduped = addDedupeHits(metrics);
  return {
    accounted: (seconds) => account.observe(seconds),
    counted: (count, tally) => {
      batches.inc(count);
      for (const outcome of OUTCOME_STATUSES) outcomes.inc({ outcome }, Math.max(0, tally[outcome]));
    },
    redelivered: (results) => deduped('redelivered_result', results),
    repeated: (results) => deduped('second_copy', results),
    finished: (status, total, seconds) => {
      finished.inc({ status });
      duration.observe({ size: total <= SMALL_ACTION ? 'small' : 'large' }, seconds);
    },
  };
}
