import { ChunkConsumer } from '@bulk/kafka';
import { openDependency, startAdminServer, type ServiceContext } from '@bulk/runtime';
import type { StatsAggregatorConfig } from './config.ts';
import { createContainer, TOKENS } from './container.ts';

/** The consumer group of all stats-aggregators of an installation. */
export function statsAggregatorGroup(topicPrefix: string): string {
  return `${topicPrefix}stats-aggregator`;
}

/** Starts stats-aggregator; resolves when it consumes. */
export async function startStatsAggregator(
  config: Readonly<StatsAggregatorConfig>,
  context: ServiceContext,
): Promise<void> {
  const { log, health, releasers, fail } = context;
  health.set('consumer', 'waiting');
  const admin = await startAdminServer(config.ADMIN_PORT, health);
  releasers.push('admin server', () => admin.close());

  const container = await createContainer(config, context);
  const results = container.get(TOKENS.consumer);
  const consumer = await openDependency(
    'consumer',
    () =>
      ChunkConsumer.start({
        kafka: container.get(TOKENS.kafka),
        groupId: statsAggregatorGroup(config.TOPIC_PREFIX),
        topics: [container.get(TOKENS.topics).results],
        config,
        chunkSize: config.CHUNK_SIZE,
        concurrency: config.PARTITION_CONCURRENCY,
        fromBeginning: true,
        commitIntervalMs: config.COMMIT_INTERVAL_MS,
        backoff: { initialDelayMs: config.RETRY_INITIAL_DELAY_MS, maxDelayMs: config.RETRY_MAX_DELAY_MS },
        process: (chunk) => results.process(chunk),
        onFailure: (error, chunk) => results.onFailure(error, chunk),
        onCrash: fail,
        log,
      }),
    context,
  );
  releasers.push('consumer', () => consumer.stop());
  log.info({ adminPort: admin.port }, 'ready');
}
