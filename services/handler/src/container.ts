import { createRegistry, type ActionRegistry } from '@bulk/action-types';
import { guardedTopics, type TopicNames } from '@bulk/contracts';
import {
  DeadLetters,
  endOffsetOf,
  openMessaging,
  openProducer,
  openTopicGuard,
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
  TopicBases,
  type Database,
} from '@bulk/mongo';
import { FirstPositions, openRedis, REDIS, replicationOf, type Redis } from '@bulk/redis';
import { startAdminServer, type ServiceContext } from '@bulk/runtime';
import { Container, type ServiceIdentifier } from 'inversify';
import { BatchApplier } from './application/batch-applier.ts';
import { BatchRunner } from './application/batch-runner.ts';
import { EndedActions } from './application/ended-actions.ts';
import { ResultReporter } from './application/result-reporter.ts';
import { handlerTimes, type HandlerConfig } from './config.ts';
import { awaitConsumers, startConsumers } from './consumers.ts';
import { BatchConsumer } from './consumption/batch-consumer.ts';
import { BatchOpener } from './consumption/batch-opener.ts';
import { MessageProcessor } from './consumption/message-processor.ts';
import { DeadBatches } from './dead-letters/dead-batches.ts';
import { UnprocessableBatches } from './dead-letters/unprocessable-batches.ts';
import { createHandlerMetrics, type HandlerMetrics } from './metrics.ts';
import { retryPolicies } from './retry/retry-policies.ts';
import { RetryTopics } from './retry/retry-topics.ts';

export const TOKENS = {
  kafka: Symbol('Kafka') as ServiceIdentifier<Kafka>,
  topics: Symbol('TopicNames') as ServiceIdentifier<TopicNames>,
  codec: Symbol('MessageCodec') as ServiceIdentifier<MessageCodec>,
  producer: Symbol('MessageProducer') as ServiceIdentifier<MessageProducer>,
  database: Symbol('Database') as ServiceIdentifier<Database>,
  bases: Symbol('TopicBases') as ServiceIdentifier<TopicBases>,
  redis: Symbol('Redis') as ServiceIdentifier<Redis>,
  registry: Symbol('ActionRegistry') as ServiceIdentifier<ActionRegistry>,
  applier: Symbol('BatchApplier') as ServiceIdentifier<BatchApplier>,
  consumer: Symbol('BatchConsumer') as ServiceIdentifier<BatchConsumer>,
} as const;

/**
 * Connects to everything that handler needs, waits for what is absent, and wires the parts: the
 * composition root.
 *
 * @param registry the action types of this installation; by default the catalog of @bulk/action-types.
 * @param metrics records the work. By default nothing reads them.
 */
export async function createContainer(
  config: HandlerConfig,
  context: ServiceContext,
  registry: ActionRegistry = createRegistry(),
  {
    batches: recorder,
    deadLettered,
  }: Pick<HandlerMetrics, 'batches' | 'deadLettered'> = createHandlerMetrics(config, context.health),
): Promise<Container> {
  const { log } = context;
  const database = await openDatabase('bulk-handler', config, registry.entityTypes, context);
  const redis = await openRedis(config, context);
  const messaging = await openMessaging('handler', config, context);
  const producer = await openProducer(messaging, context);
  const { kafka, topics, codec } = messaging;

  const bases = new TopicBases(database, Object.values(topics.entityBatches));

  const now = (): Date => new Date();
  const times = handlerTimes(config);
  const container = new Container({ defaultScope: 'Singleton' });
  container.bind(TOKENS.kafka).toConstantValue(kafka);
  container.bind(TOKENS.topics).toConstantValue(topics);
  container.bind(TOKENS.codec).toConstantValue(codec);
  container.bind(TOKENS.producer).toConstantValue(producer);
  container.bind(TOKENS.database).toConstantValue(database);
  container.bind(TOKENS.bases).toConstantValue(bases);
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
          replicationOf(config),
        ),
        store: new MongoEntityStore(database),
        dryRunStore: new DryRunEntityStore(database),
        entityConcurrency: config.ENTITY_CONCURRENCY,
        changesMaxBytes: config.CHANGES_MAX_BYTES,
        now,
        log,
      }),
  );
  container.bind(TOKENS.consumer).toDynamicValue((resolution) => {
    const backoff = {
      initialDelayMs: config.RETRY_INITIAL_DELAY_MS,
      maxDelayMs: config.RETRY_MAX_DELAY_MS,
    };
    const monotonic = (): number => performance.now();
    const whole = new Set(
      registry.handlers.filter((type) => type.processBatch !== undefined).map(({ actionType }) => actionType),
    );
    const opener = new BatchOpener({
      topics,
      codec,
      policyOf: retryPolicies(config, registry),
      isWhole: (actionType) => whole.has(actionType),
      baseOf: (topic) => bases.of(topic),
      now,
    });
    const reporter = new ResultReporter({ producer, topics, now, recorder });
    const endedActions = new EndedActions(database, { marginMs: config.REDELIVERY_MARGIN_MS, now });
    const processor = new MessageProcessor({
      opener,
      runner: new BatchRunner({
        applier: resolution.get(TOKENS.applier),
        backoff,
        endOffset: (topic, partition) => endOffsetOf(kafka, topic, partition),
        inPlaceMs: config.RETRY_IN_PLACE_MS,
        monotonic,
        // These dependencies have answered a try that succeeds.
        watched: (work) => context.dependencies.during([MONGODB, REDIS], work),
        recorder,
        log,
      }),
      reporter,
      unprocessable: new UnprocessableBatches({
        deadLetters: new DeadLetters(producer, topics.deadLetters, 'handler', now, deadLettered),
        deadBatches: new DeadBatches(topics, database),
        endedActions,
        reporter,
        decode: (message) => opener.decode(message),
        log,
      }),
      endedActions,
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
      dependencies: context.dependencies,
      maxAttempts: config.MAX_ATTEMPTS,
      backoff,
      monotonic,
      recorder,
      log,
    });
    return new BatchConsumer(processor, { entityConcurrency: config.ENTITY_CONCURRENCY, monotonic });
  });
  return container;
}

/** Starts handler. Resolves with the admin port once handler consumes. */
export async function startHandler(
  config: Readonly<HandlerConfig>,
  context: ServiceContext,
  registry?: ActionRegistry,
): Promise<number> {
  const { log, health, releasers } = context;
  awaitConsumers(context);
  const metrics = createHandlerMetrics(config, health);
  const admin = await startAdminServer(config, { health, metrics: metrics.metrics, log });
  releasers.push('admin server', () => admin.close());

  const container = await createContainer(config, context, registry, metrics);
  const kafka = container.get(TOKENS.kafka);
  const topics = container.get(TOKENS.topics);
  const bases = container.get(TOKENS.bases);
  // Fences and results refer to offsets in these topics.
  const guard = await openTopicGuard(kafka, guardedTopics(topics), (ids) => bases.record(ids), context);
  const batches = container.get(TOKENS.consumer);
  await startConsumers({ kafka, topics, batches, guard, metrics }, config, context);
  log.info({ adminPort: admin.port }, 'Service ready');
  return admin.port;
}
