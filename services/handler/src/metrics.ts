import { RETRY_TIERS } from '@bulk/contracts';
import { OUTCOME_CODES, type Lane } from '@bulk/domain';
import { ConsumerLag, type ConsumerRecorder } from '@bulk/kafka';
import {
  addConsumers,
  addDeadLetters,
  addDedupeHits,
  bounded,
  SECONDS,
  serviceMetrics,
  type IdentityConfig,
  type Metrics,
  type Readiness,
} from '@bulk/runtime/telemetry';
import type { BatchRecorder } from './application/batch-recorder.ts';

/** Everything that handler measures. */
export interface HandlerMetrics {
  readonly metrics: Metrics;
  readonly batches: BatchRecorder;
  readonly lags: Readonly<Record<Lane | 'retries', ConsumerLag>>;
  readonly consumer: (name: Lane | 'retries') => ConsumerRecorder;
  /** Records that a message was dead-lettered, with the code of the cause. */
  readonly deadLettered: (code: string) => void;
}

/** The platform's codes for dead-lettered batches. An action type's own codes count as `other`. */
const DEAD_LETTER_CODES = [
  'MALFORMED_MESSAGE',
  'PROCESSING_ERROR',
  'HANDLER_CONTRACT',
  'FENCE_AHEAD_OF_LOG',
  'STORE_UNAVAILABLE',
  'STORE_FAILED',
  'REDIS_UNAVAILABLE',
  'RETRYABLE',
];
const outcomeCodes = bounded(Object.values(OUTCOME_CODES));

/** Declares the instruments of handler. */
export function createHandlerMetrics(identity: IdentityConfig, readiness: Readiness): HandlerMetrics {
  const metrics = serviceMetrics('handler', identity, readiness);
  const lags = {
    high: new ConsumerLag(),
    normal: new ConsumerLag(),
    low: new ConsumerLag(),
    retries: new ConsumerLag(),
  };
  const consumer = addConsumers(metrics, {
    high: () => lags.high.read(),
    normal: () => lags.normal.read(),
    low: () => lags.low.read(),
    retries: () => lags.retries.read(),
  });
  return {
    metrics,
    lags,
    consumer,
    batches: batchRecorder(metrics),
    deadLettered: addDeadLetters(metrics, DEAD_LETTER_CODES),
  };
}

function batchRecorder(metrics: Metrics): BatchRecorder {
  const batches = metrics.counter({
    name: 'bulk_handler_batches_total',
    help: 'Batches by lane and by how their work ended, including redeliveries.',
    labels: ['lane', 'end'],
  });
  const entities = metrics.counter({
    name: 'bulk_handler_entities_total',
    help: "Entities by outcome and code, including redeliveries. The code is empty for a success, and other for an action type's own codes.",
    labels: ['lane', 'outcome', 'code'],
  });
  const apply = metrics.histogram({
    name: 'bulk_handler_apply_duration_seconds',
    help: 'Duration of one try of a batch, without waits between tries. It covers the first positions and the changes of the entities.',
    buckets: SECONDS,
  });
  const retries = metrics.counter({
    name: 'bulk_handler_retries_total',
    help: 'Retries of a batch in place, by reason: a dependency was unavailable, an entity asked for another try, or the batch failed.',
    labels: ['reason'],
  });
  const postponed = metrics.counter({
    name: 'bulk_handler_postponed_batches_total',
    help: 'Batches that were put into a retry topic, by tier.',
    labels: ['tier'],
  });
  // The counters start at 0, so that the first event is an increase.
  for (const reason of ['dependency', 'entity', 'fault']) retries.inc({ reason }, 0);
  for (const tier of RETRY_TIERS) postponed.inc({ tier }, 0);
  const deduped = addDedupeHits(metrics);
  return {
    applied: (seconds) => apply.observe(seconds),
    retried: (reason) => retries.inc({ reason }),
    postponed: (tier) => postponed.inc({ tier }),
    ended: (lane, end) => {
      batches.inc({ lane, end });
      if (end === 'published-twice') deduped('second_copy');
      if (end === 'action-ended') deduped('ended_action');
    },
    reported: (lane, outcomes) => {
      for (const { outcome } of outcomes) {
        const code = outcome.code === null ? '' : outcomeCodes(outcome.code);
        entities.inc({ lane, outcome: outcome.status, code });
        if (code === OUTCOME_CODES.DUPLICATE_ENTITY) deduped('duplicate_entity');
      }
    },
  };
}
