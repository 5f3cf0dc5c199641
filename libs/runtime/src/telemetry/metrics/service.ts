import { bounded, OTHER } from './bounded.ts';
import { Metrics } from './metrics.ts';
import { addReadiness, type Readiness } from './readiness.ts';

/** Identifies the running build and its installation, from the configuration. */
export interface IdentityConfig {
  readonly BUILD_VERSION: string;
  readonly BUILD_REVISION: string;
  readonly TOPIC_PREFIX: string;
}

/** Creates the metrics of a service, with those of every service: process, build, readiness. */
export function serviceMetrics(service: string, identity: IdentityConfig, readiness: Readiness): Metrics {
  const metrics = new Metrics({
    service,
    installation: installationOf(identity.TOPIC_PREFIX),
    build: { version: identity.BUILD_VERSION, revision: identity.BUILD_REVISION },
  });
  addReadiness(metrics, readiness);
  return metrics;
}

/**
 * Returns the value of the label `installation`: the prefix of the installation's topics without its last separators.
 */
export function installationOf(topicPrefix: string): string {
  return topicPrefix.replace(/[._-]+$/, '') || 'default';
}

/**
 * Declares the counter of a service's dead letters.
 *
 * @param codes the causes that have a label of their own; any other cause is `other`.
 */
export function addDeadLetters(metrics: Metrics, codes: readonly string[]): (code: string) => void {
  const letters = metrics.counter({
    name: 'bulk_dead_letters_total',
    help: 'Number of dead-lettered messages, by cause.',
    labels: ['code'],
  });
  // The counter starts at 0, so that the first dead letter is an increase, for which an alert waits.
  for (const code of [...codes, OTHER]) letters.inc({ code }, 0);
  const codeOf = bounded(codes);
  return (code) => letters.inc({ code: codeOf(code) });
}

/**
 * The kind of a repetition: an entity named earlier in its action, a batch published twice, a result counted already.
 */
export type DedupeKind = 'duplicate_entity' | 'second_copy' | 'ended_action' | 'redelivered_result';

/** Declares the counter of repetitions that were recognised. */
export function addDedupeHits(metrics: Metrics): (kind: DedupeKind, count?: number) => void {
  const hits = metrics.counter({
    name: 'bulk_dedupe_hits_total',
    help: 'Number of repetitions that were recognised and had no effect: duplicate_entity (entities that were named earlier in their action), second_copy (a batch published twice), ended_action (a batch delivered again after the end of its action), redelivered_result (a result counted already).',
    labels: ['kind'],
  });
  return (kind, count = 1) => hits.inc({ kind }, count);
}
