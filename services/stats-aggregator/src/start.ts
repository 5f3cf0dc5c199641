import { consumerGroups } from '@bulk/contracts';
import { ChunkConsumer, DONE, KAFKA_PRODUCER, KAFKA_TOPICS, openTopicGuard } from '@bulk/kafka';
import { MONGODB, recordTopicIds } from '@bulk/mongo';
import { openDependency, startAdminServer, type ServiceContext } from '@bulk/runtime';
import type { StatsAggregatorConfig } from './config.ts';
import { createContainer, TOKENS } from './container.ts';
import { createStatsAggregatorMetrics } from './metrics.ts';

/** Name of the consumer on `/readyz`. */
const CONSUMER = 'consumer';
/** The dependencies that have answered once a chunk is processed. */
const USED = [MONGODB, KAFKA_PRODUCER];

/** Returns the consumer group of all stats-aggregators of an installation. */
export function statsAggregatorGroup(topicPrefix: string): string {
  return consumerGroups(topicPrefix).statsAggregator;
}

/** Starts stats-aggregator. Resolves with the admin port once it consumes. */
export async function startStatsAggregator(
  config: Readonly<StatsAggregatorConfig>,
  context: ServiceContext,
): Promise<number> {
  const { log, health, dependencies, releasers, fail } = context;
  health.set(CONSUMER, 'waiting');
  const measured = createStatsAggregatorMetrics(config, health);
  const admin = await startAdminServer(config, { health, metrics: measured.metrics, log });
  releasers.push('admin server', () => admin.close());

  const container = await createContainer(config, context, measured);
  const results = container.get(TOKENS.consumer);
  const database = container.get(TOKENS.database);
  const topic = container.get(TOKENS.topics).results;
  const guard = await openTopicGuard(
    container.get(TOKENS.kafka),
    [topic],
    (ids) => recordTopicIds(database, ids),
    context,
  );
  const consumer = await openDependency(
    CONSUMER,
    () =>
      ChunkConsumer.start({
        kafka: container.get(TOKENS.kafka),
        groupId: statsAggregatorGroup(config.TOPIC_PREFIX),
        topics: [topic],
        config,
        chunkSize: config.CHUNK_SIZE,
        concurrency: config.PARTITION_CONCURRENCY,
        fromBeginning: true,
        commitIntervalMs: config.COMMIT_INTERVAL_MS,
        backoff: { initialDelayMs: config.RETRY_INITIAL_DELAY_MS, maxDelayMs: config.RETRY_MAX_DELAY_MS },
        process: async (chunk) => {
          await dependencies.during(USED, () => results.process(chunk));
          return DONE;
        },
        onFailure: (error, chunk) => results.onFailure(error, chunk),
        // The counts refer to offsets of this very topic.
        admit: () => dependencies.during([KAFKA_TOPICS], () => guard.confirm()),
        onAssigned: () => health.set(CONSUMER, 'ready'),
        onInterrupted: (error) => health.set(CONSUMER, 'waiting', String(error)),
        onCrash: fail,
        instruments: {
          recorder: measured.consumer,
          lag: measured.lag,
          lagIntervalMs: config.KAFKA_LAG_INTERVAL_MS,
        },
        log,
      }),
    context,
  );
  releasers.push(CONSUMER, () => consumer.stop());
  log.info({ adminPort: admin.port }, 'Service ready');
  return admin.port;
}
