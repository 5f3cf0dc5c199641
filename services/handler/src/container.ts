import { createRegistry, type ActionRegistry } from '@bulk/actions';
import type { TopicNames } from '@bulk/contracts';
import {
  DeadLetters,
  endOffsetOf,
  openMessaging,
  openProducer,
  type Kafka,
  type MessageCodec,
  type MessageProducer,
} from '@bulk/kafka';
import {
  DryRunEntityStore,
  markPostponed,
  MONGODB,
  MongoEntityStore,
  openDatabase,
  type Database,
} from '@bulk/mongo';
import { FirstPositions, openRedis, REDIS, type Redis } from '@bulk/redis';
import type { ServiceContext } from '@bulk/runtime';
import { Container, type ServiceIdentifier } from 'inversify';
import { BatchApplier } from './application/batch-applier.ts';
import { handlerTimes, type HandlerConfig } from './config.ts';
import { BatchConsumer } from './consumption/batch-consumer.ts';
import { BatchRunner } from './consumption/batch-runner.ts';
import { DeadBatches } from './dead-letters/dead-batches.ts';
import { EndedActions } from './consumption/ended-actions.ts';
import { retryPolicies } from './retry/retry-policies.ts';
import { createHandlerMetrics, type HandlerMetrics } from './metrics.ts';
import { RetryTopics } from './retry/retry-topics.ts';

export const TOKENS = {
  kafka: Symbol('Kafka') as ServiceIdentifier<Kafka>,
  topics: Symbol('TopicNames') as ServiceIdentifier<TopicNames>,
  codec: Symbol('MessageCodec') as ServiceIdentifier<MessageCodec>,
  producer: Symbol('MessageProducer') as ServiceIdentifier<MessageProducer>,
  database: Symbol('Database') as ServiceIdentifier<Database>,
  redis: Symbol('Redis') as ServiceIdentifier<Redis>,
  registry: Symbol('ActionRegistry') as ServiceIdentifier<ActionRegistry>,
  applier: Symbol('BatchApplier') as ServiceIdentifier<BatchApplier>,
  consumer: Symbol('BatchConsumer') as ServiceIdentifier<BatchConsumer>,
} as const;

/**
 * Connects to everything that handler needs, waits for what is absent, and wires the parts: the
 * composition root.
 *
 * @param registry the action types of this installation; by default the catalog of @bulk/actions.
 * @param metrics records the work. By default nothing reads them.
 */
export async function createContainer(
  config: HandlerConfig,
  context: ServiceContext,
  registry: ActionRegistry = createRegistry(),
  { batches: recorder, buried }: Pick<HandlerMetrics, 'batches' | 'buried'> = createHandlerMetrics(
    config,
    context.health,
  ),
): Promise<Container> {
  const { log } = context;
  const database = await openDatabase('bulk-handler', config, registry.entityTypes, context);
  const redis = await openRedis(config, context);
  const messaging = await openMessaging('bulk-handler', config, context);
  const producer = await openProducer(messaging, context);
  const { kafka, topics, codec } = messaging;

  const now = (): Date => new Date();
  const times = handlerTimes(config);
  const container = new Container({ defaultScope: 'Singleton' });
  container.bind(TOKENS.kafka).toConstantValue(kafka);
  container.bind(TOKENS.topics).toConstantValue(topics);
  container.bind(TOKENS.codec).toConstantValue(codec);
  container.bind(TOKENS.producer).toConstantValue(producer);
  container.bind(TOKENS.database).toConstantValue(database);
  container.bind(TOKENS.redis).toConstantValue(redis);
  container.bind(TOKENS.registry).toConstantValue(registry);
  container.bind(TOKENS.applier).toDynamicValue(
    () =>
      new BatchApplier({
        registry,
        firstPositions: new FirstPositions(
          redis,
          config.REDIS_PREFIX,
          Math.ceil(times.firstPositionsMs / 1_000),
        ),
        store: new MongoEntityStore(database),
        dryRunStore: new DryRunEntityStore(database),
        entityConcurrency: config.ENTITY_CONCURRENCY,
        now,
        log,
      }),
  );
  container.bind(TOKENS.consumer).toDynamicValue(
    (resolution) =>
      new BatchConsumer({
        topics,
        codec,
        runner: new BatchRunner({
          applier: resolution.get(TOKENS.applier),
          backoff: { initialDelayMs: config.RETRY_INITIAL_DELAY_MS, maxDelayMs: config.RETRY_MAX_DELAY_MS },
          endOffset: (topic, partition) => endOffsetOf(kafka, topic, partition),
          inPlaceMs: config.RETRY_IN_PLACE_MS,
          monotonic: () => performance.now(),
          // These dependencies have answered a try that succeeds.
          watched: (work) => context.dependencies.during([MONGODB, REDIS], work),
          recorder,
          log,
        }),
        retryTopics: new RetryTopics({
          producer,
          topics,
          tiersMs: config.RETRY_TIERS_MS,
          maxAgeMs: times.retryMaxAgeMs,
          now,
          mark: (actionId, batchNo) => markPostponed(database, actionId, batchNo),
          recorder,
          log,
        }),
        policyOf: retryPolicies(config, registry),
        producer,
        deadLetters: new DeadLetters(producer, topics.deadLetters, 'handler', now, buried),
        deadBatches: new DeadBatches(topics, database),
        endedActions: new EndedActions(database, { marginMs: config.REDELIVERY_MARGIN_MS, now }),
        maxAttempts: config.MAX_ATTEMPTS,
        now,
        recorder,
        log,
      }),
  );
  return container;
}
