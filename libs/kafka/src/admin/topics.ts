import { partitionsOf, retentionHoursOf, topicsOf, type Topic, type TopicNames } from '@bulk/contracts';
import { CodedError, DependencyError, lifetimesOf } from '@bulk/domain';
import { delay } from '@bulk/runtime';
import type { Admin, Kafka } from 'kafkajs';
import type { KafkaConfig } from '../client/config.ts';
import { KafkaRightsError } from './access.ts';
import { onRawCluster, type RawCluster } from './raw-cluster.ts';
import { describeTopics } from './topic-descriptions.ts';

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

/** Thrown if topics do not exist and this process does not create them. */
export class TopicMissingError extends DependencyError {
  constructor(topics: readonly Topic[], reason: string, cause?: unknown) {
    const names = topics.map(({ name }) => name).join(', ');
    super(
      'TOPIC_MISSING',
      `missing topics: ${names}; ${reason}; the installer creates them (ops install)`,
      'unknown',
      cause,
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
 * Creates the missing topics and leaves the others as they are. Every service may call it at the same time. A user
 * without the right to create topics passes if they all exist.
 *
 * @param topics the topics that the caller uses.
 * @throws TopicMismatchError if a lane has another number of partitions than configured.
 * @throws TopicMissingError if a topic does not exist, and ENSURE_TOPICS is false or the user may not create it.
 * @throws KafkaRightsError if the user may not describe a topic.
 */
export async function ensureTopics(
  kafka: Kafka,
  topics: readonly Topic[],
  config: KafkaConfig,
): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    await onRawCluster(kafka, async (cluster) => {
      const missing = await missingOf({ admin, cluster }, topics, config);
      if (missing.length === 0) return;
      if (!config.ENSURE_TOPICS) throw new TopicMissingError(missing, 'ENSURE_TOPICS is false');
      await createTopics(admin, missing, config);
      let unready: readonly Topic[] = missing;
      for (let check = 1; check <= CREATION_CHECKS; check += 1) {
        const unknown = await missingOf({ admin, cluster }, unready, config);
        unready = unknown.length > 0 ? unknown : await unreadyOf(kafka, missing);
        if (unready.length === 0) return;
        await delay(CREATION_CHECK_MS);
      }
      throw new TopicMissingError(unready, 'Kafka does not serve them since their creation');
    });
  } finally {
    await admin.disconnect();
  }
}

const CREATION_CHECKS = 50;
const CREATION_CHECK_MS = 100;

interface Asked {
  readonly admin: Admin;
  readonly cluster: RawCluster;
}

/**
 * Returns the topics of which a leader does not serve a partition yet.
 *
 * Under KRaft, a broker reports a new topic some milliseconds before its log exists. A consumer that fetches it meanwhile
 * would leave its group and join again.
 */
async function unreadyOf(kafka: Kafka, topics: readonly Topic[]): Promise<Topic[]> {
  // An admin client keeps what it has heard of a topic.
  const admin = kafka.admin();
  await admin.connect();
  try {
    const unready: Topic[] = [];
    for (const topic of topics) if (!(await isServed(admin, topic))) unready.push(topic);
    return unready;
  } finally {
    await admin.disconnect();
  }
}

async function isServed(admin: Admin, { name }: Topic): Promise<boolean> {
  try {
    await admin.fetchTopicOffsets(name);
    return true;
  } catch (error) {
    const type = typeOf(error) ?? typeOf(error instanceof Error ? error.cause : undefined);
    // kafkajs throws a TypeError if the broker that it asks reports no partition of the topic yet.
    if (NOT_SERVED.has(String(type)) || error instanceof TypeError) return false;
    throw error;
  }
}

const NOT_SERVED: ReadonlySet<string> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
]);

/** @throws TopicMismatchError; KafkaRightsError if the user may not describe a topic; kafkajs' error. */
async function missingOf(asked: Asked, topics: readonly Topic[], config: KafkaConfig): Promise<Topic[]> {
  const partitions = await partitionsByName(
    asked,
    topics.map(({ name }) => name),
  );
  for (const topic of topics.filter(({ partitionsFixed }) => partitionsFixed)) {
    const expected = partitionsOf(topic, config);
    const actual = partitions.get(topic.name);
    if (actual !== undefined && actual !== expected)
      throw new TopicMismatchError(topic.name, expected, actual);
  }
  return topics.filter(({ name }) => !partitions.has(name));
}

/**
 * Returns the number of partitions of each topic that exists.
 *
 * @throws KafkaRightsError if the user may not describe a topic; kafkajs' error.
 */
async function partitionsByName(
  { admin, cluster }: Asked,
  names: readonly string[],
): Promise<Map<string, number>> {
  const described = await describeTopics(await cluster.brokerPool.findConnectedBroker(), names);
  if (described === undefined) {
    // A broker before Kafka 2.8. kafkajs would retry a question about a topic that does not exist.
    const listed = new Set(await admin.listTopics());
    const existing = names.filter((name) => listed.has(name));
    if (existing.length === 0) return new Map();
    const { topics } = await admin.fetchTopicMetadata({ topics: existing });
    return new Map(topics.map(({ name, partitions }) => [name, partitions.length]));
  }
  const found = new Map<string, number>();
  const denied: string[] = [];
  for (const [name, { error, partitions }] of described) {
    const type = typeOf(error);
    if (error === undefined) found.set(name, partitions);
    else if (type === 'TOPIC_AUTHORIZATION_FAILED') denied.push(name);
    else if (type !== 'UNKNOWN_TOPIC_OR_PARTITION' && type !== 'LEADER_NOT_AVAILABLE') throw error;
  }
  if (denied.length > 0)
    throw new KafkaRightsError(
      denied.map((name) => ({ resource: 'topic', name, pattern: 'literal', operations: ['Describe'] })),
    );
  return found;
}

/** @throws TopicMissingError if the user may not create one of them; kafkajs' error. */
async function createTopics(admin: Admin, topics: readonly Topic[], config: KafkaConfig): Promise<void> {
  try {
    await admin.createTopics({
      // kafkajs would give up on a broker that has not heard of the new topic yet.
      waitForLeaders: false,
      topics: topics.map((topic) => {
        const { partitions, replicas, config: entries } = planOf(topic, config);
        return {
          topic: topic.name,
          numPartitions: partitions,
          replicationFactor: replicas,
          configEntries: Object.entries(entries).map(([name, value]) => ({ name, value })),
        };
      }),
    });
  } catch (error) {
    const failures = failuresOf(error).filter((failure) => typeOf(failure) !== 'TOPIC_ALREADY_EXISTS');
    const denied = new Set(
      failures
        .filter((failure) => typeOf(failure) === 'TOPIC_AUTHORIZATION_FAILED')
        .map(({ topic }) => topic),
    );
    if (denied.size > 0)
      throw new TopicMissingError(
        topics.filter(({ name }) => denied.has(name)),
        'the Kafka user lacks Create on them',
        error,
      );
    // Other processes may have created the rest at the same time.
    if (failures.length > 0 || failuresOf(error).length === 0) throw error;
  }
}

/** What kafkajs reports of each topic that was not created. */
function failuresOf(error: unknown): readonly (Error & { readonly topic: string })[] {
  if (!(error instanceof Error) || !('errors' in error)) return [];
  return error.errors as readonly (Error & { readonly topic: string })[];
}

function typeOf(error: unknown): unknown {
  return error instanceof Error && 'type' in error ? error.type : undefined;
}
