import { guardedTopics, topicNames, topicsOf, type TopicNames } from '@bulk/contracts';
import { createKafka, ensureTopics, MessageCodec, TopicIds, type Kafka, type KafkaConfig } from '@bulk/kafka';
import { silentLogger } from '@bulk/runtime';

/** The topics that an installation is given in the place of others. */
export interface NewTopics {
  readonly kafka: Kafka;
  readonly codec: MessageCodec;
  readonly topics: TopicNames;
  /** Ids of the topics to whose offsets MongoDB refers. */
  readonly ids: ReadonlyMap<string, string>;
}

/**
 * Creates the missing topics of a configuration and registers their schemas.
 *
 * @throws TopicMismatchError if a lane exists with another number of partitions; KafkaUnavailableError;
 * the registry's error.
 */
export async function provideTopics(config: KafkaConfig): Promise<NewTopics> {
  const topics = topicNames(config.TOPIC_PREFIX);
  const kafka = createKafka('ops', config, silentLogger());
  const all = topicsOf(topics);
  await ensureTopics(kafka, all, { ...config, ENSURE_TOPICS: true });
  const codec = await MessageCodec.install(config, all);
  const reader = new TopicIds(kafka);
  try {
    return { kafka, codec, topics, ids: await reader.of(guardedTopics(topics)) };
  } finally {
    await reader.close();
  }
}
