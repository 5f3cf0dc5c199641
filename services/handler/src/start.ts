import type { ActionRegistry } from '@bulk/actions';
import { LANES } from '@bulk/domain';
import { ChunkConsumer, KAFKA_PRODUCER } from '@bulk/kafka';
import { MONGODB } from '@bulk/mongo';
import { REDIS } from '@bulk/redis';
import { openDependency, startAdminServer, type ServiceContext } from '@bulk/runtime';
import type { HandlerConfig } from './config.ts';
import { createContainer, TOKENS } from './container.ts';

/** Name of the consumer on `/readyz`. */
const CONSUMER = 'consumer';
/** What a chunk that was processed has had an answer from. */
const USED = [MONGODB, REDIS, KAFKA_PRODUCER];

/** The consumer group of all handlers of an installation. */
export function handlerGroup(topicPrefix: string): string {
  return `${topicPrefix}handler`;
}

/** Starts handler; resolves when it consumes. */
export async function startHandler(
  config: Readonly<HandlerConfig>,
  context: ServiceContext,
  registry?: ActionRegistry,
): Promise<void> {
  const { log, health, dependencies, releasers, fail } = context;
  health.set(CONSUMER, 'waiting');
  const admin = await startAdminServer(config.ADMIN_PORT, health);
  releasers.push('admin server', () => admin.close());

  const container = await createContainer(config, context, registry);
  const topics = container.get(TOKENS.topics);
  const batches = container.get(TOKENS.consumer);
  const consumer = await openDependency(
    CONSUMER,
    () =>
      ChunkConsumer.start({
        kafka: container.get(TOKENS.kafka),
        groupId: handlerGroup(config.TOPIC_PREFIX),
        topics: LANES.map((lane) => topics.entityBatches[lane]),
        config,
        // One message at a time: see BatchConsumer on why results come before the next batch.
        chunkSize: 1,
        concurrency: config.PARTITION_CONCURRENCY,
        fromBeginning: true,
        commitIntervalMs: config.COMMIT_INTERVAL_MS,
        backoff: { initialDelayMs: config.RETRY_INITIAL_DELAY_MS, maxDelayMs: config.RETRY_MAX_DELAY_MS },
        process: (chunk) => dependencies.during(USED, () => batches.process(chunk)),
        onFailure: (error, chunk) => batches.onFailure(error, chunk),
        onAssigned: () => health.set(CONSUMER, 'ready'),
        onInterrupted: (error) => health.set(CONSUMER, 'waiting', String(error)),
        onCrash: fail,
        log,
      }),
    context,
  );
  releasers.push(CONSUMER, () => consumer.stop());
  log.info({ adminPort: admin.port }, 'ready');
}
