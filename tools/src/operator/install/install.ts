import { createRegistry } from '@bulk/action-types';
import { CodedError } from '@bulk/domain';
import { alignTopicTimes, openMessaging } from '@bulk/kafka';
import { openDatabase } from '@bulk/mongo';
import { DependencyWatch, Health, openDependency, Releasers, type Logger } from '@bulk/runtime';
import type { InstallConfig } from './config.ts';

/** Thrown when not everything exists in time. The message says what it waited for. */
export class NotInstalledError extends CodedError {
  constructor(timeoutMs: number, waitingFor: string) {
    super('NOT_INSTALLED', `the installation was not complete after ${timeoutMs} ms: ${waitingFor}`);
  }
}

/**
 * Creates what an installation keeps outside of its processes: topics, schemas, indexes.
 *
 * Each service does the same for what it uses. To install first shows in one place that there is
 * room for it, and the right to create it. Idempotent: what exists stays as it is, except times
 * that follow the configuration, which are the retention and segment time of topics, and the time
 * of tombstones.
 *
 * @param signal ends it early.
 * @throws NotInstalledError after `INSTALL_TIMEOUT_MS`: until then it waits for unavailable
 * dependencies, a topic with another number of partitions, or an incompatible schema; the signal's
 * reason.
 */
export async function install(config: InstallConfig, log: Logger, signal: AbortSignal): Promise<void> {
  const health = new Health();
  const releasers = new Releasers(log);
  const timeout = AbortSignal.timeout(config.INSTALL_TIMEOUT_MS);
  const done = new AbortController();
  const either = AbortSignal.any([signal, timeout, done.signal]);
  const dependencies = new DependencyWatch({ ...PROBES, health, signal: either });
  const fail = (error: unknown): void => log.error({ err: error }, 'Installation failed unexpectedly');
  const context = { log, health, dependencies, releasers, signal: either, fail };
  try {
    await openDatabase('bulk-installer', config, createRegistry().entityTypes, context);
    log.info('Indexes ready');
    const { kafka, topics } = await openMessaging('bulk-installer', config, context);
    const changed = await openDependency(
      'topic times',
      () => alignTopicTimes(kafka, topics, config),
      context,
    );
    if (changed.length > 0) log.info({ topics: changed }, 'Retention of topics changed');
    log.info('Topics and schemas ready');
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) throw new NotInstalledError(config.INSTALL_TIMEOUT_MS, waitingFor(health));
    throw error;
  } finally {
    // Open dependencies are still watched, as in a service.
    done.abort(new Error('the installer is done'));
    await releasers.releaseAll(RELEASE_MS);
  }
}

const RELEASE_MS = 10_000;
const PROBES = { intervalMs: 2_000, timeoutMs: 5_000 };

function waitingFor(health: Health): string {
  return Object.entries(health.report().components)
    .filter(([, { state }]) => state === 'waiting')
    .map(([name, { reason }]) => `${name} (${reason ?? 'no answer'})`)
    .join(', ');
}
