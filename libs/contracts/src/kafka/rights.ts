import { topicNames, topicsOf, type Topic, type TopicNames } from './topics.ts';
import { SERVICES, type Service, type TopicConsumer } from './topic-table.ts';

/** An operation of Kafka's authorizer. */
export type KafkaOperation =
  'Read' | 'Write' | 'Create' | 'Delete' | 'Describe' | 'DescribeConfigs' | 'AlterConfigs';

/** What a Kafka user may do with a topic or a group, or with all whose names start with a prefix. */
export interface KafkaRight {
  readonly resource: 'topic' | 'group';
  readonly name: string;
  readonly pattern: 'literal' | 'prefixed';
  readonly operations: readonly KafkaOperation[];
}

/** The tools and other systems that reach Kafka with a user of their own. */
export const OTHER_KAFKA_USERS = ['installer', 'ops', 'dlq', 'lag', 'keda', 'reader'] as const;
/** Everything that has a Kafka user of its own. */
export const KAFKA_USERS = [...SERVICES, ...OTHER_KAFKA_USERS] as const;
export type KafkaUser = (typeof KAFKA_USERS)[number];

const WRITES: readonly KafkaOperation[] = ['Write', 'Describe'];
const READS: readonly KafkaOperation[] = ['Read', 'Describe'];
const LOOKS: readonly KafkaOperation[] = ['Describe'];
/** For a group that its only member deletes. */
const OWNS: readonly KafkaOperation[] = ['Read', 'Delete', 'Describe'];

/** Returns the prefix of the groups of which each process has its own. */
export function ownGroupPrefix(prefix: string, owner: 'notifier' | 'dlq'): string {
  return `${prefix}${owner}-`;
}

/** Returns the topics that a service sends to or consumes, in the order of the table. */
export function topicsOfService(names: TopicNames, service: Service): Topic[] {
  return topicsOf(names).filter(
    (topic) => produces(topic, service) || topic.consumers[service] !== undefined,
  );
}

/**
 * Returns the rights that a user needs in an installation whose topics and subjects the installer has created. The
 * rights of services follow from the table of the topics. A service with `ENSURE_TOPICS=true` needs `Create` for each of
 * its topics that does not exist.
 *
 * @param prefix TOPIC_PREFIX of the installation.
 */
export function kafkaRights(user: KafkaUser, prefix: string): KafkaRight[] {
  const names = topicNames(prefix);
  const topics = topicsOf(names);
  switch (user) {
    case 'installer':
      return [
        {
          resource: 'topic',
          name: prefix,
          pattern: 'prefixed',
          operations: ['Create', 'Describe', 'DescribeConfigs', 'AlterConfigs'],
        },
      ];
    case 'ops':
      // All commands: they create topics, send and read messages, and set groups back.
      return [
        {
          resource: 'topic',
          name: prefix,
          pattern: 'prefixed',
          operations: ['Read', 'Write', 'Create', 'Describe', 'DescribeConfigs', 'AlterConfigs'],
        },
        { resource: 'group', name: prefix, pattern: 'prefixed', operations: OWNS },
      ];
    case 'dlq': {
      const replayed = topics.filter(({ replay }) => replay !== 'never');
      return merged([
        onTopic(names.deadLetters, READS),
        ...replayed.map(({ name }) => onTopic(name, WRITES)),
        onOwnGroups(prefix, 'dlq'),
      ]);
    }
    case 'lag':
      return merged(topics.flatMap((topic) => observed(topic, prefix, () => true)));
    case 'keda':
      return merged(topics.flatMap((topic) => observed(topic, prefix, ({ scaled }) => scaled)));
    case 'reader':
      return [onTopic(names.results, READS), onTopic(names.progress, READS)];
    default:
      return merged(topics.flatMap((topic) => rightsOfService(topic, user, prefix)));
  }
}

function produces({ producers }: Topic, service: Service): boolean {
  return producers.includes(service);
}

function rightsOfService(topic: Topic, service: Service, prefix: string): KafkaRight[] {
  const consumer = topic.consumers[service];
  return [
    ...(produces(topic, service) ? [onTopic(topic.name, WRITES)] : []),
    ...(consumer === undefined
      ? []
      : [onTopic(topic.name, READS), ...onGroupOf(topic, consumer, prefix, READS)]),
    ...(topic.observers.includes(service) ? observed(topic, prefix, () => true) : []),
  ];
}

/** Returns the rights to see how far the groups of a topic are. */
function observed(topic: Topic, prefix: string, include: (consumer: TopicConsumer) => boolean): KafkaRight[] {
  const consumers = Object.values(topic.consumers).filter(
    (consumer) => consumer.group !== 'per-process' && include(consumer),
  );
  if (consumers.length === 0) return [];
  return [
    onTopic(topic.name, LOOKS),
    ...consumers.flatMap((consumer) => onGroupOf(topic, consumer, prefix, LOOKS)),
  ];
}

function onTopic(name: string, operations: readonly KafkaOperation[]): KafkaRight {
  return { resource: 'topic', name, pattern: 'literal', operations };
}

function onGroupOf(
  { member }: Topic,
  { group }: TopicConsumer,
  prefix: string,
  operations: readonly KafkaOperation[],
): KafkaRight[] {
  if (group === 'per-process') return [onOwnGroups(prefix, 'notifier')];
  return [{ resource: 'group', name: `${prefix}${group(member ?? '')}`, pattern: 'literal', operations }];
}

function onOwnGroups(prefix: string, owner: 'notifier' | 'dlq'): KafkaRight {
  return { resource: 'group', name: ownGroupPrefix(prefix, owner), pattern: 'prefixed', operations: OWNS };
}

const ORDER: readonly KafkaOperation[] = [
  'Read',
  'Write',
  'Create',
  'Delete',
  'Describe',
  'DescribeConfigs',
  'AlterConfigs',
];

/** Returns one right for each resource, with all operations on it. */
function merged(rights: readonly KafkaRight[]): KafkaRight[] {
  const byName = new Map<string, KafkaRight>();
  for (const right of rights) {
    const key = `${right.resource} ${right.name}`;
    const all = new Set([...(byName.get(key)?.operations ?? []), ...right.operations]);
    byName.set(key, { ...right, operations: ORDER.filter((operation) => all.has(operation)) });
  }
  return [...byName.values()].sort((a, b) => Number(a.resource === 'group') - Number(b.resource === 'group'));
}
