import { bounded, OTHER } from './bounded.ts';
import { Metrics } from './metrics.ts';
import { addReadiness, type Readiness } from './readiness.ts';

/** Which build runs, as the configuration tells it. */
export interface BuildConfig {
  readonly BUILD_VERSION: string;
  readonly BUILD_REVISION: string;
}

/** The registry of a service, with what every service has: process, build, readiness. */
export function serviceMetrics(service: string, build: BuildConfig, readiness: Readiness): Metrics {
  const metrics = new Metrics({
    service,
    build: { version: build.BUILD_VERSION, revision: build.BUILD_REVISION },
  });
  addReadiness(metrics, readiness);
  return metrics;
}

/**
 * The counter of dead letters of a service.
 *
 * @param codes the causes that are told apart; any other one is `other`.
 */
export function addDeadLetters(metrics: Metrics, codes: readonly string[]): (code: string) => void {
  const letters = metrics.counter({
    name: 'bulk_dead_letters_total',
    help: 'Messages that were given up and put into the dead letters, by cause.',
    labels: ['code'],
  });
  // From 0 on, so that the first letter is an increase: an alert is waiting for it.
  for (const code of [...codes, OTHER]) letters.inc({ code }, 0);
  const codeOf = bounded(codes);
  return (code) => letters.inc({ code: codeOf(code) });
}

/** What was recognised: an entity named earlier in its action, a batch published twice, a result that was counted. */
export type DedupeKind = 'duplicate_entity' | 'second_copy' | 'ended_action' | 'redelivered_result';

/** The counter of work that was recognised as done already. */
export function addDedupeHits(metrics: Metrics): (kind: DedupeKind, count?: number) => void {
  const hits = metrics.counter({
    name: 'bulk_dedupe_hits_total',
    help: 'Repetitions that were recognised and had no effect: duplicate_entity (named earlier in its action; in entities), second_copy (a batch published twice), ended_action (a batch delivered again after the end of its action), redelivered_result (counted already).',
    labels: ['kind'],
  });
  return (kind, count = 1) => hits.inc({ kind }, count);
}
