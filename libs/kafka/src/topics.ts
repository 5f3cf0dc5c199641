import { RETRY_TIERS, type TopicNames } from '@bulk/contracts';
import { CodedError, LANES, lifetimesOf } from '@bulk/domain';
import { configuredLifetimes, delay } from '@bulk/runtime';
import type { Admin, ITopicMetadata, Kafka } from 'kafkajs';
import type { KafkaConfig } from './config.ts';
import { KafkaUnavailableError } from './errors.ts';

/** Thrown when a topic exists with another number of partitions than configured: entities would change their lanes. */
export class TopicMismatchError extends CodedError {
  constructor(topic: string, expected: number, actual: number) {
    super(
      'TOPIC_PARTITIONS_MISMATCH',
      `topic ${topic} has ${actual} partitions and ${expected} are configured; the number of partitions of a lane is fixed when it is created (see docs/architecture/exactly-once.md)`,
    );
  }
}

const HOUR_MS = 3_600_000;
/** Progress is a stream of whole states: only the newest matters, so an hour is ample. */
const PROGRESS_LIFETIMES = lifetimesOf(HOUR_MS);
/** The largest message: a batch of 1,000 entities of 8 KB. */
const MAX_MESSAGE_BYTES = 8_388_608;

/** What a topic is created with. */
export interface TopicPlan {
  readonly topic: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly config: Readonly<Record<string, string>>;
}

/** Every topic of an installation, as it is created: by `ensureTopics`, and by whoever creates them before. */
export function topicPlans(topics: TopicNames, config: KafkaConfig): TopicPlan[] {
  const lifetimes = configuredLifetimes(config);
  const plan = (topic: string, partitions: number, { retentionMs, segmentMs } = lifetimes): TopicPlan => ({
    topic,
    partitions,
    replicas: config.KAFKA_REPLICATION_FACTOR,
    config: {
      'retention.ms': String(retentionMs),
      'segment.ms': String(segmentMs),
      'min.insync.replicas': String(config.KAFKA_MIN_INSYNC_REPLICAS),
      'max.message.bytes': String(MAX_MESSAGE_BYTES),
    },
  });
  return [
    plan(topics.actions, 1),
    ...LANES.map((lane) => plan(topics.entityBatches[lane], config.KAFKA_LANE_PARTITIONS)),
    ...RETRY_TIERS.map((tier) => plan(topics.retries[tier], config.KAFKA_LANE_PARTITIONS)),
    plan(topics.results, config.KAFKA_RESULTS_PARTITIONS),
    plan(topics.progress, config.KAFKA_RESULTS_PARTITIONS, PROGRESS_LIFETIMES),
    plan(topics.deadLetters, 1),
  ];
}

/**
 * Creates the topics that are missing; leaves the others as they are. Safe to call from every service at once.
 *
 * @throws TopicMismatchError when a lane has another number of partitions than configured.
 */
export async function ensureTopics(kafka: Kafka, topics: TopicNames, config: KafkaConfig): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const metadata = await createTopics(admin, topicPlans(topics, config));
    for (const lane of LANES) {
      const actual = metadata.find(({ name }) => name === topics.entityBatches[lane])?.partitions.length ?? 0;
      if (actual !== config.KAFKA_LANE_PARTITIONS) {
        throw new TopicMismatchError(topics.entityBatches[lane], config.KAFKA_LANE_PARTITIONS, actual);
      }
    }
  } finally {
    await admin.disconnect();
  }
}

/**
 * Offset of the next message that will be appended to a partition, as the broker has it now. Opens a connection of its own:
 * for rare questions.
 *
 * @throws KafkaUnavailableError when the broker does not answer, refuses, or has no such partition now.
 */
export async function endOffsetOf(kafka: Kafka, topic: string, partition: number): Promise<number> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    const offsets = await admin.fetchTopicOffsets(topic);
    const found = offsets.find((each) => each.partition === partition);
    if (found === undefined)
      throw new CodedError('NO_SUCH_PARTITION', `${topic} has no partition ${partition}`);
    return Number(found.high);
  } catch (error) {
    throw new KafkaUnavailableError(error);
  } finally {
    await admin.disconnect();
  }
}

const CREATION_TRIES = 50;
const CREATION_RETRY_MS = 100;

/**
 * Creates what is missing and waits until the broker knows all of it. kafkajs waits while a leader is elected and gives up on a broker
 * that has not heard of the new topic yet, as happens for some milliseconds under KRaft.
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
