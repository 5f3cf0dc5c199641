import { createRegistry } from '@bulk/action-types';
import { CodedError } from '@bulk/domain';
import { alignTopicTimes, installMessaging } from '@bulk/kafka';
import { claimDatabase, Database, indexBuilds, openIndexes, OWNER } from '@bulk/mongo';
import {
  DependencyWatch,
  Health,
  openDependency,
  Releasers,
  type Logger,
  type ServiceContext,
} from '@bulk/runtime';
import type { InstallConfig } from './config.ts';
import { Patience } from './patience.ts';

/** Thrown when not everything exists in time. The message says what it waited for. */
export class NotInstalledError extends CodedError {
  constructor(timeoutMs: number, waitingFor: string) {
    super('NOT_INSTALLED', `the installation was not complete after ${timeoutMs} ms: ${waitingFor}`);
  }
}

/**
 * Creates what an installation keeps outside of its processes: topics, schemas, indexes.
 *
 * Each service does the same for what it uses, unless ENSURE_TOPICS, REGISTER_SCHEMAS or
 * ENSURE_INDEXES is false; the installer ignores these settings. To install first shows in one place
 * that there is room for it, and the right to create it. Idempotent: what exists stays as it is,
 * except times that follow the configuration, which are the retention and segment time of topics,
 * and the time of tombstones, and the compatibility of subjects, which is raised.
 *
 * @param signal ends it early.
 * @throws NotInstalledError after `INSTALL_TIMEOUT_MS`, not counting the time in which MongoDB builds
 * indexes: until then it waits for unavailable dependencies, a topic with another number of
 * partitions, or an incompatible schema; the signal's reason.
 */
export async function install(config: InstallConfig, log: Logger, signal: AbortSignal): Promise<void> {
  const health = new Health();
  const releasers = new Releasers(log);
  const patience = new Patience(config.INSTALL_TIMEOUT_MS);
  const done = new AbortController();
  const either = AbortSignal.any([signal, patience.signal, done.signal]);
  const dependencies = new DependencyWatch({ ...PROBES, health, signal: either });
  const fail = (error: unknown): void => log.error({ err: error }, 'Installation failed unexpectedly');
  const context = { log, health, dependencies, releasers, signal: either, fail };
  try {
    await installIndexes(config, context, patience);
    log.info('Indexes ready');
    const { kafka, topics } = await installMessaging(config, context);
    const changed = await openDependency(
      'topic times',
      () => alignTopicTimes(kafka, topics, config),
      context,
    );
    if (changed.length > 0) log.info({ topics: changed }, 'Retention of topics changed');
    log.info('Topics and schemas ready');
  } catch (error) {
    signal.throwIfAborted();
    if (patience.signal.aborted) throw new NotInstalledError(config.INSTALL_TIMEOUT_MS, waitingFor(health));
    throw error;
  } finally {
    // Open dependencies are still watched, as in a service.
    done.abort(new Error('the installer is done'));
    patience.end();
    await releasers.releaseAll(RELEASE_MS);
  }
}

/** Creates the indexes. The patience starts again while MongoDB builds one, for a limited time. */
async function installIndexes(
  config: InstallConfig,
  context: ServiceContext,
  patience: Patience,
): Promise<void> {
  const { entityTypes } = createRegistry();
  const database = await openDependency('mongodb', () => Database.connect('bulk-installer', config), context);
  context.releasers.push('mongodb', () => database.close());
  await openDependency(OWNER, () => claimDatabase(database, config.TOPIC_PREFIX), context);
  patience.extendWhile({
    isAtWork: async () => {
      const builds = await indexBuilds(database);
      if (builds.length > 0) context.log.info({ builds }, 'Index build in progress');
      return builds.length > 0;
    },
    everyMs: Math.min(BUILD_LOOK_MS, config.INSTALL_TIMEOUT_MS / 4),
    atMostMs: config.MONGODB_INDEX_TIMEOUT_MS,
  });
  await openIndexes('bulk-installer', config, entityTypes, context);
}

/** Time between two looks at the index builds, in ms. */
const BUILD_LOOK_MS = 10_000;
const RELEASE_MS = 10_000;
const PROBES = { intervalMs: 2_000, timeoutMs: 5_000 };

function waitingFor(health: Health): string {
  return Object.entries(health.report().components)
    .filter(([, { state }]) => state === 'waiting')
    .map(([name, { reason }]) => `${name} (${reason ?? 'no answer'})`)
    .join(', ');
}
