import { createRegistry } from '@bulk/actions';
import { topicNames, type TopicNames } from '@bulk/contracts';
import {
  createKafka,
  DeadLetters,
  ensureTopics,
  MessageCodec,
  MessageProducer,
  type Kafka,
} from '@bulk/kafka';
import { Database, ensureIndexes } from '@bulk/mongo';
import { openDependency, type ServiceContext } from '@bulk/runtime';
import { Container, type ServiceIdentifier } from 'inversify';
import { Accountant } from './account/accountant.ts';
import { ActionCounts } from './account/action-counts.ts';
import { LogStore } from './account/log-store.ts';
import type { StatsAggregatorConfig } from './config.ts';
import { ResultConsumer } from './consume/result-consumer.ts';

export const TOKENS = {
  kafka: Symbol('Kafka') as ServiceIdentifier<Kafka>,
  topics: Symbol('TopicNames') as ServiceIdentifier<TopicNames>,
  database: Symbol('Database') as ServiceIdentifier<Database>,
  accountant: Symbol('Accountant') as ServiceIdentifier<Accountant>,
  consumer: Symbol('ResultConsumer') as ServiceIdentifier<ResultConsumer>,
} as const;

/** Connects to everything that stats-aggregator needs, waiting for what is absent, and wires it: the composition root. */
export async function createContainer(
  config: StatsAggregatorConfig,
  context: ServiceContext,
): Promise<Container> {
  const { log, releasers } = context;
  const topics = topicNames(config.TOPIC_PREFIX);
  const kafka = createKafka('bulk-stats-aggregator', config.KAFKA_BROKERS, log);

  const database = await openDependency(
    'mongodb',
    () => Database.connect('bulk-stats-aggregator', config),
    context,
  );
  releasers.push('mongodb', () => database.close());
  const { entityTypes } = createRegistry();
  await openDependency('mongodb indexes', () => ensureIndexes(database, entityTypes), context);
  await openDependency('kafka', () => ensureTopics(kafka, topics, config), context);
  const codec = await openDependency(
    'schema registry',
    () => MessageCodec.register(config.SCHEMA_REGISTRY_URL, topics),
    context,
  );
  const producer = await openDependency(
    'kafka producer',
    () => MessageProducer.connect(kafka, codec, log),
    context,
  );
  releasers.push('kafka producer', () => producer.disconnect());

  const now = (): Date => new Date();
  const container = new Container({ defaultScope: 'Singleton' });
  container.bind(TOKENS.kafka).toConstantValue(kafka);
  container.bind(TOKENS.topics).toConstantValue(topics);
  container.bind(TOKENS.database).toConstantValue(database);
  container
    .bind(TOKENS.accountant)
    .toDynamicValue(() => new Accountant(new LogStore(database), new ActionCounts(database, now)));
  container.bind(TOKENS.consumer).toDynamicValue(
    (resolution) =>
      new ResultConsumer({
        topics,
        codec,
        accountant: resolution.get(TOKENS.accountant),
        producer,
        deadLetters: new DeadLetters(producer, topics.deadLetters, 'stats-aggregator', now),
        maxAttempts: config.MAX_ATTEMPTS,
        log,
      }),
  );
  return container;
}
