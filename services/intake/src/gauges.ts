import type { Lane } from '@bulk/domain';
import type { Metrics } from '@bulk/runtime/telemetry';
import type { Unfinished } from './dispatch/unfinished-actions.ts';

/** Values that are read at each scrape. */
export interface IntakeGauges {
  readonly dispatch: () => { readonly actions: number; readonly batches: number };
  readonly windows: () => readonly (readonly [Lane, number])[];
  readonly unfinished: () => Promise<Unfinished>;
}

/**
 * Declares the gauges of intake.
 *
 * @returns a function that says what the gauges read from now on.
 */
export function addGauges(metrics: Metrics, now: () => Date): (gauges: IntakeGauges) => void {
  let watched: IntakeGauges | undefined;
  metrics.sampled(
    { name: 'bulk_dispatch_actions', help: 'Actions that this instance dispatches now.' },
    () => (watched === undefined ? [] : [{ labels: {}, value: watched.dispatch().actions }]),
  );
  metrics.sampled(
    {
      name: 'bulk_dispatch_in_flight_batches',
      help: 'Published batches without a counted outcome, of the actions that this instance dispatches now.',
    },
    () => (watched === undefined ? [] : [{ labels: {}, value: watched.dispatch().batches }]),
  );
  metrics.sampled(
    {
      name: 'bulk_dispatch_window_batches',
      help: 'Maximum number of full batches (of BATCH_SIZE entities) in flight in a lane, as measured. Every instance reports about the same value.',
      labels: ['lane'],
    },
    () => (watched?.windows() ?? []).map(([lane, value]) => ({ labels: { lane }, value })),
  );
  addUnfinished(metrics, () => watched?.unfinished(), now);
  return (gauges) => {
    watched = gauges;
  };
}

function addUnfinished(metrics: Metrics, find: () => Promise<Unfinished> | undefined, now: () => Date): void {
  let asked: Promise<Unfinished> | undefined;
  // The gauges are read at the same time and share one query.
  const unfinished = (): Promise<Unfinished> =>
    (asked ??= (find() ?? Promise.resolve({ byStatus: [], byLane: [] })).finally(() => (asked = undefined)));
  const since = (instant: Date): number => Math.max(0, now().getTime() - instant.getTime()) / 1_000;
  metrics.sampled(
    {
      name: 'bulk_actions_unfinished',
      help: 'Actions of the installation that are due and have not ended, by status, without paused ones. Every instance reports the same value.',
      labels: ['status'],
    },
    async () =>
      (await unfinished()).byStatus.map(({ status, count }) => ({ labels: { status }, value: count })),
  );
  metrics.sampled(
    {
      name: 'bulk_actions_oldest_seconds',
      help: 'Age of the oldest unfinished action that is due, by status: time since its acceptance or its scheduled time. Every instance reports the same value.',
      labels: ['status'],
    },
    async () =>
      (await unfinished()).byStatus.map(({ status, oldestDue }) => ({
        labels: { status },
        value: since(oldestDue),
      })),
  );
  metrics.sampled(
    {
      name: 'bulk_actions_stalled_seconds',
      help: 'Seconds since the last progress of the most stalled unfinished action, by status, without actions that only wait for batches in retry topics. Every instance reports the same value.',
      labels: ['status'],
    },
    async () =>
      (await unfinished()).byStatus.flatMap(({ status, oldestUpdate }) =>
        oldestUpdate === null ? [] : [{ labels: { status }, value: since(oldestUpdate) }],
      ),
  );
  metrics.sampled(
    {
      name: 'bulk_entities_unfinished',
      help: 'Entities without an outcome of the actions that are due and have not ended, by lane, without paused actions. Every instance reports the same value.',
      labels: ['lane'],
    },
    async () =>
      (await unfinished()).byLane.map(({ lane, entities }) => ({ labels: { lane }, value: entities })),
  );
}
