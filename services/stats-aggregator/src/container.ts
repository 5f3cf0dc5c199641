import { createRegistry } from '@bulk/action-types';
import type { TopicNames } from '@bulk/contracts';
import { DeadLetters, openMessaging, openProducer, type Kafka } from '@bulk/kafka';
import { openDatabase, type Database } from '@bulk/mongo';
import type { ServiceContext } from '@bulk/runtime';
import { Container, type ServiceIdentifier } from 'inversify';
import { Accountant } from './account/accountant.ts';
import { ActionCounts } from './account/action-counts.ts';
import { LogStore } from './account/log-store.ts';
import type { StatsAggregatorConfig } from './config.ts';
import { DeadResults } from './consume/dead-results.ts';
import { ResultConsumer } from './consume/result-consumer.ts';
import { createStatsAggregatorMetrics, type StatsAggregatorMetrics } from './metrics.ts';

export const TOKENS = {
  kafka: Symbol('Kafka') as ServiceIdentifier<Kafka>,
  topics: Symbol('TopicNames') as ServiceIdentifier<TopicNames>,
  database: Symbol('Database') as ServiceIdentifier<Database>,
  accountant: Symbol('Accountant') as ServiceIdentifier<Accountant>,
  consumer: Symbol('ResultConsumer') as ServiceIdentifier<ResultConsumer>,
} as const;

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
  { accounts, buried }: Pick<StatsAggregatorMetrics, 'accounts' | 'buried'> = createStatsAggregatorMetrics(
    config,
    context.health,
  ),
): Promise<Container> {
  const { log } = context;
  const { entityTypes } = createRegistry();
  const database = await openDatabase('bulk-stats-aggregator', config, entityTypes, context);
  const messaging = await openMessaging('bulk-stats-aggregator', config, context);
  const producer = await openProducer(messaging, context);
  const { kafka, topics, codec } = messaging;

  const now = (): Date => new Date();
  const container = new Container({ defaultScope: 'Singleton' });
  container.bind(TOKENS.kafka).toConstantValue(kafka);
  container.bind(TOKENS.topics).toConstantValue(topics);
  container.bind(TOKENS.database).toConstantValue(database);
  container
    .bind(TOKENS.accountant)
    .toDynamicValue(() => new Accountant(new LogStore(database), new ActionCounts(database, now), accounts));
  container.bind(TOKENS.consumer).toDynamicValue(
    (resolution) =>
      new ResultConsumer({
        topics,
        codec,
        accountant: resolution.get(TOKENS.accountant),
        producer,
        deadLetters: new DeadLetters(producer, topics.deadLetters, 'stats-aggregator', now, buried),
        deadResults: new DeadResults(database, now),
        maxAttempts: config.MAX_ATTEMPTS,
        log,
      }),
  );
  return container;
}
