import { partitionsOf, retentionHoursOf, topicsOf, type Topic, type TopicNames } from '@bulk/contracts';
import { CodedError, lifetimesOf } from '@bulk/domain';
import { delay } from '@bulk/runtime';
import type { Admin, ITopicMetadata, Kafka } from 'kafkajs';
import type { KafkaConfig } from '../client/config.ts';

/**
 * Thrown when a topic has another number of partitions than configured: its entities would move to other partitions.
 */
export class TopicMismatchError extends CodedError {
  constructor(topic: string, expected: number, actual: number) {
    super(
      'TOPIC_PARTITIONS_MISMATCH',
      `topic ${topic} has ${actual} partitions and ${expected} are configured; the number of partitions of a lane is fixed when it is created (see docs/architecture/exactly-once.md)`,
    );
  }
}

const HOUR_MS = 3_600_000;
/** The largest message: a batch of 1,000 entities of 8 KB. */
const MAX_MESSAGE_BYTES = 8_388_608;

/** The properties with which a topic is created. */
export interface TopicPlan {
  readonly topic: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly config: Readonly<Record<string, string>>;
}

/**
 * Returns the plan of every topic of an installation, for `ensureTopics` and for tools that create the topics in
 * advance.
 */
export function topicPlans(topics: TopicNames, config: KafkaConfig): TopicPlan[] {
  return topicsOf(topics).map((topic) => planOf(topic, config));
}

function planOf(topic: Topic, config: KafkaConfig): TopicPlan {
  const { retentionMs, segmentMs } = lifetimesOf(retentionHoursOf(topic, config) * HOUR_MS);
  return {
    topic: topic.name,
    partitions: partitionsOf(topic, config),
    replicas: config.KAFKA_REPLICATION_FACTOR,
    config: {
      'retention.ms': String(retentionMs),
      'segment.ms': String(segmentMs),
      'min.insync.replicas': String(config.KAFKA_MIN_INSYNC_REPLICAS),
      'max.message.bytes': String(MAX_MESSAGE_BYTES),
    },
  };
}

/**
 * Creates the missing topics and leaves the others as they are. Every service may call it at the same time.
 *
 * @throws TopicMismatchError if a lane has another number of partitions than configured.
 */
export async function ensureTopics(kafka: Kafka, topics: TopicNames, config: KafkaConfig): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const metadata = await createTopics(admin, topicPlans(topics, config));
    for (const topic of topicsOf(topics).filter(({ partitionsFixed }) => partitionsFixed)) {
      const expected = partitionsOf(topic, config);
      const actual = metadata.find(({ name }) => name === topic.name)?.partitions.length ?? 0;
      if (actual !== expected) throw new TopicMismatchError(topic.name, expected, actual);
    }
  } finally {
    await admin.disconnect();
  }
}

const CREATION_TRIES = 50;
const CREATION_RETRY_MS = 100;

/**
 * Creates the missing topics and waits until the broker knows all of them. kafkajs waits while a leader is elected, but
 * gives up on a broker that has not heard of the new topic yet. Under KRaft that state lasts some milliseconds.
 */
async function createTopics(admin: Admin, plans: readonly TopicPlan[]): Promise<ITopicMetadata[]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await admin.createTopics({
        waitForLeaders: true,
        topics: plans.map(({ topic, partitions, replicas, config }) => ({
          topic,
          numPartitions: partitions,
          replicationFactor: replicas,
          configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
        })),
      });
      return (await admin.fetchTopicMetadata({ topics: plans.map(({ topic }) => topic) })).topics;
    } catch (error) {
      if (attempt >= CREATION_TRIES || !isUnknownTopic(error)) throw error;
      await delay(CREATION_RETRY_MS);
    }
  }
}

function isUnknownTopic(error: unknown): boolean {
  return error instanceof Error && 'type' in error && error.type === 'UNKNOWN_TOPIC_OR_PARTITION';
}
