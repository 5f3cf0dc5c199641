import { METHODS } from 'node:http';
import type { Lane } from '@bulk/domain';
import type { ActionDocument } from '@bulk/mongo';
import {
  bounded,
  OTHER,
  SECONDS,
  serviceMetrics,
  type IdentityConfig,
  type Metrics,
  type Readiness,
} from '@bulk/runtime/telemetry';
import type { CreateRecorder } from './submission/create-recorder.ts';
import { addGauges, type IntakeGauges } from './gauges.ts';
import type { HttpRecorder } from './http/measure.ts';
import type { Quota } from './quotas/quota.ts';

/** Records what the dispatch does. Its functions never throw. */
export interface DispatchRecorder {
  /** Records batches that Kafka has confirmed. */
  published(lane: Lane, batches: number): void;
  /** Records that a fault has interrupted a dispatch. */
  failed(): void;
  /** Records batches of a cancelled or failing action that were skipped without Kafka. */
  skipped(lane: Lane, batches: number): void;
  /** Records batches that were missing in Kafka and were published again. */
  missing(lane: Lane, batches: number): void;
  /** Records that an action has ended in the dispatch. */
  ended(action: Pick<ActionDocument, 'lane'>): void;
}

/** Everything that intake measures. */
export interface IntakeMetrics {
  readonly metrics: Metrics;
  readonly http: HttpRecorder;
  readonly creation: CreateRecorder;
  readonly dispatch: DispatchRecorder;
  /** Records a refused request whose account has made too many. */
  readonly rateLimited: () => void;
  /** Records a refused request because a quota of its account has no room. */
  readonly quotaExceeded: (quota: Quota) => void;
  /** Runs a search for missing batches and records how it ended. @throws what the search throws. */
  readonly swept: <T>(search: () => Promise<T>) => Promise<T>;
  /** Reads these gauges from now on. */
  readonly watch: (gauges: IntakeGauges) => void;
}

/** Declares the instruments of intake. */
export function createIntakeMetrics(
  identity: IdentityConfig,
  readiness: Readiness,
  now: () => Date = () => new Date(),
): IntakeMetrics {
  const metrics = serviceMetrics('intake', identity, readiness);
  const limited = metrics.counter({
    name: 'bulk_http_rate_limited_requests_total',
    help: 'Requests that were refused with 429 because their account has made too many.',
  });
  const exceeded = metrics.counter({
    name: 'bulk_quota_refusals_total',
    help: 'Requests that were refused with 429 because a quota of their account has no room, by quota.',
    labels: ['quota'],
  });
  return {
    metrics,
    http: httpRecorder(metrics),
    creation: createRecorder(metrics),
    dispatch: dispatchRecorder(metrics),
    rateLimited: () => limited.inc(),
    quotaExceeded: (quota) => exceeded.inc({ quota }),
    swept: sweepRecorder(metrics),
    watch: addGauges(metrics, now),
  };
}

function httpRecorder(metrics: Metrics): HttpRecorder {
  const requests = metrics.histogram({
    name: 'bulk_http_request_duration_seconds',
    help: 'Time from the start of a request to the last byte of its answer, by route (the pattern, or other if there is none), method and status.',
    labels: ['method', 'route', 'status'],
    buckets: SECONDS,
  });
  const open = metrics.gauge({
    name: 'bulk_http_requests_in_flight',
    help: 'Requests whose answer is not complete.',
  });
  const methods = bounded(METHODS);
  return {
    began: () => open.inc(),
    ended: ({ method, route = OTHER, status, seconds }) => {
      open.dec();
      requests.observe({ method: methods(method), route, status: String(status) }, seconds);
    },
  };
}

function createRecorder(metrics: Metrics): CreateRecorder {
  const stage = metrics.histogram({
    name: 'bulk_stage_duration_seconds',
    help: 'Time to validate and stage the entities of an action and to accept it, by result: accepted, refused (the request is wrong), failed. It includes the time to read an upload.',
    labels: ['result'],
    buckets: [...SECONDS, 60, 120, 300],
  });
  const actions = metrics.counter({
    name: 'bulk_accepted_actions_total',
    help: 'Accepted actions, by lane.',
    labels: ['lane'],
  });
  const entities = metrics.counter({
    name: 'bulk_accepted_entities_total',
    help: 'Entities of accepted actions, by lane.',
    labels: ['lane'],
  });
  const replays = metrics.counter({
    name: 'bulk_idempotent_replays_total',
    help: 'Requests with an Idempotency-Key that were answered with the action of an earlier one.',
  });
  return {
    accepted: (lane, count, seconds) => {
      stage.observe({ result: 'accepted' }, seconds);
      actions.inc({ lane });
      entities.inc({ lane }, count);
    },
    notAccepted: (reason, seconds) => stage.observe({ result: reason }, seconds),
    replayed: () => replays.inc(),
  };
}

function dispatchRecorder(metrics: Metrics): DispatchRecorder {
  const batches = metrics.counter({
    name: 'bulk_dispatch_batches_total',
    help: 'Batches that were published, including second copies, by lane.',
    labels: ['lane'],
  });
  const failures = metrics.counter({
    name: 'bulk_dispatch_failures_total',
    help: 'Dispatches that a fault has interrupted. Each one is resumed later.',
  });
  const skipped = metrics.counter({
    name: 'bulk_dispatch_skipped_batches_total',
    help: 'Batches of cancelled and failed actions that were skipped without going through Kafka.',
    labels: ['lane'],
  });
  const cancelled = metrics.counter({
    name: 'bulk_dispatch_actions_cancelled_total',
    help: 'Cancelled and failed actions that ended with the last batch that was skipped without Kafka. Those whose last outcome came through Kafka are counted by bulk_stats_actions_finished_total.',
    labels: ['lane'],
  });
  const missing = metrics.counter({
    name: 'bulk_dispatch_missing_batches_total',
    help: 'Batches that were recorded as published, were not in Kafka, and were published again.',
    labels: ['lane'],
  });
  return {
    missing: (lane, count) => missing.inc({ lane }, count),
    published: (lane, count) => batches.inc({ lane }, count),
    failed: () => failures.inc(),
    skipped: (lane, count) => skipped.inc({ lane }, count),
    ended: ({ lane }) => cancelled.inc({ lane }),
  };
}

function sweepRecorder(metrics: Metrics): IntakeMetrics['swept'] {
  const sweeps = metrics.counter({
    name: 'bulk_gap_sweeps_total',
    help: 'Searches for batches that were published and are not in Kafka, by result: done, failed (the next one continues).',
    labels: ['result'],
  });
  // The counter starts at 0, so that the first failure is an increase.
  for (const result of ['done', 'failed']) sweeps.inc({ result }, 0);
  return async (search) => {
    try {
      const found = await search();
      sweeps.inc({ result: 'done' });
      return found;
    } catch (error) {
      sweeps.inc({ result: 'failed' });
      throw error;
    }
  };
}
