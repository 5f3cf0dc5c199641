import { createRegistry } from '@bulk/action-types';
import { consumerGroups, type TopicNames } from '@bulk/contracts';
import {
  ChunkConsumer,
  DeadLetters,
  KAFKA_PRODUCER,
  KAFKA_TOPICS,
  openMessaging,
  openProducer,
  openTopicGuard,
  type Kafka,
} from '@bulk/kafka';
import { MONGODB, openDatabase, TopicBases, type Database } from '@bulk/mongo';
import { configuredLifetimes, openDependency, startAdminServer, type ServiceContext } from '@bulk/runtime';
import { Container, type ServiceIdentifier } from 'inversify';
import { Accountant } from './accounting/accountant.ts';
import { ActionCounts } from './accounting/action-counts.ts';
import { KnownActions } from './accounting/known-actions.ts';
import { LogStore } from './accounting/log-store.ts';
import type { StatsAggregatorConfig } from './config.ts';
import { CountedResults } from './consumption/counted-results.ts';
import { CountingPace } from './consumption/counting-pace.ts';
import { DeadResults } from './consumption/dead-results.ts';
import { ResultConsumer } from './consumption/result-consumer.ts';
import { createStatsAggregatorMetrics, type StatsAggregatorMetrics } from './metrics.ts';
import { Latest } from './upkeep/latest.ts';
import { storedBytes } from './upkeep/stored-bytes.ts';
import { WaitingLetters } from './upkeep/waiting-letters.ts';

export const TOKENS = {
  kafka: Symbol('Kafka') as ServiceIdentifier<Kafka>,
  topics: Symbol('TopicNames') as ServiceIdentifier<TopicNames>,
  bases: Symbol('TopicBases') as ServiceIdentifier<TopicBases>,
  database: Symbol('Database') as ServiceIdentifier<Database>,
  known: Symbol('KnownActions') as ServiceIdentifier<KnownActions>,
  accountant: Symbol('Accountant') as ServiceIdentifier<Accountant>,
  consumer: Symbol('ResultConsumer') as ServiceIdentifier<ResultConsumer>,
} as const;

/** Name of the consumer on `/healthz`. */
const CONSUMER = 'consumer';
/** The dependencies that have answered once a chunk is processed. */
const USED = [MONGODB, KAFKA_PRODUCER];

/** Returns the consumer group of all stats-aggregators of an installation. */
export function statsAggregatorGroup(topicPrefix: string): string {
  return consumerGroups(topicPrefix).statsAggregator;
}

/**
 * Connects to everything that stats-aggregator needs and wires the parts: the composition root.
 *
 * It waits for what is absent.
 *
 * @param metrics records the work. By default nothing reads them.
 */
export async function createContainer(
  config: StatsAggregatorConfig,
  context: ServiceContext,
  {
    accounts,
    deadLettered,
  }: Pick<StatsAggregatorMetrics, 'accounts' | 'deadLettered'> = createStatsAggregatorMetrics(
    config,
    context.health,
  ),
): Promise<Container> {
  const { log } = context;
  const { entityTypes } = createRegistry();
  const database = await openDatabase('bulk-stats-aggregator', config, entityTypes, context);
  const messaging = await openMessaging('stats-aggregator', config, context);
  const producer = await openProducer(messaging, context);
  const { kafka, topics, codec } = messaging;

  const bases = new TopicBases(database, [topics.results]);
  const baseOf = (): number => bases.of(topics.results);

  const now = (): Date => new Date();
  const container = new Container({ defaultScope: 'Singleton' });
  container.bind(TOKENS.kafka).toConstantValue(kafka);
  container.bind(TOKENS.topics).toConstantValue(topics);
  container.bind(TOKENS.bases).toConstantValue(bases);
  container.bind(TOKENS.database).toConstantValue(database);
  container.bind(TOKENS.known).toDynamicValue(() => new KnownActions(config.KNOWN_ACTIONS));
  container
    .bind(TOKENS.accountant)
    .toDynamicValue(
      (resolution) =>
        new Accountant(
          new LogStore(database),
          new ActionCounts(database, now),
          accounts,
          resolution.get(TOKENS.known),
        ),
    );
  container.bind(TOKENS.consumer).toDynamicValue(
    (resolution) =>
      new ResultConsumer({
        results: new CountedResults({
          topics,
          codec,
          accountant: resolution.get(TOKENS.accountant),
          producer,
          baseOf,
        }),
        accountant: resolution.get(TOKENS.accountant),
        deadLetters: new DeadLetters(producer, topics.deadLetters, 'stats-aggregator', now, deadLettered),
        deadResults: new DeadResults(database, now, baseOf),
        maxAttempts: config.MAX_ATTEMPTS,
        maxBytes: config.CHUNK_MAX_BYTES,
        log,
      }),
  );
  return container;
}

/** Time between two reads of what gauges show of Kafka and MongoDB, in ms. */
const UPKEEP_EVERY_MS = 60_000;

/** Reads at intervals what waits for an operator, and how much is stored. */
function watchUpkeep(
  { watch }: StatsAggregatorMetrics,
  container: Container,
  config: StatsAggregatorConfig,
  { log, releasers }: ServiceContext,
): void {
  const database = container.get(TOKENS.database);
  const topic = container.get(TOKENS.topics).deadLetters;
  const waiting = new WaitingLetters(container.get(TOKENS.kafka), database, topic, () => new Date());
  const every = { intervalMs: UPKEEP_EVERY_MS, log };
  const letters = new Latest({ ...every, name: 'dead letters', read: () => waiting.read() });
  const bytes = new Latest({ ...every, name: 'stored bytes', read: () => storedBytes(database) });
  for (const one of [letters, bytes]) {
    one.start();
    releasers.push('gauges', () => one.stop());
  }
  watch({
    deadLetters: () => letters.value,
    storedBytes: () => bytes.value,
    retentionSeconds: configuredLifetimes(config).retentionMs / 1_000,
  });
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
  const known = container.get(TOKENS.known);
  const pace = new CountingPace({
    known,
    intervalMs: config.COUNTING_INTERVAL_MS,
    chunkSize: config.CHUNK_SIZE,
    now: () => performance.now(),
  });
  watchUpkeep(measured, container, config, context);
  const topic = container.get(TOKENS.topics).results;
  const guard = await openTopicGuard(
    container.get(TOKENS.kafka),
    [topic],
    (ids) => container.get(TOKENS.bases).record(ids),
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
          const afterMs = pace.restMs(chunk.messages);
          if (afterMs > 0) return { kind: 'retry', done: 0, afterMs };
          return dependencies.during(USED, () => results.process(chunk));
        },
        // The counts refer to offsets of this very topic.
        admit: () => dependencies.during([KAFKA_TOPICS], () => guard.confirm()),
        topicIds: guard.ids,
        onAssigned: () => {
          known.clear();
          health.set(CONSUMER, 'ready');
        },
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
  releasers.push(CONSUMER, (limitMs) => consumer.stop(limitMs));
  log.info({ adminPort: admin.port }, 'Service ready');
  return admin.port;
}
