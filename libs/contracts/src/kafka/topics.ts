import { LANES, type Lane } from '@bulk/domain';
import { TOPICS, type PartitionSetting, type TopicDeclaration } from './topic-table.ts';

export const DEFAULT_TOPIC_PREFIX = 'bulk.';

/** A row of the table. */
export type TopicKey = keyof typeof TOPICS;

/**
 * The names of an installation's topics, by their row: a name, or a name per lane or tier. All names share a prefix, so
 * several installations can share a cluster.
 */
export type TopicNames = { readonly [Key in TopicKey]: NamesOf<(typeof TOPICS)[Key]> };
type NamesOf<Declaration> = Declaration extends { members: readonly (infer Member extends string)[] }
  ? Readonly<Record<Member, string>>
  : string;

/** One topic of an installation, with what its row declares. */
export interface Topic extends Omit<TopicDeclaration, 'purpose'> {
  readonly key: TopicKey;
  /** Lane or tier; undefined if the row is a single topic. */
  readonly member: string | undefined;
  readonly name: string;
  readonly purpose: string;
}

/** Settings that the table refers to. */
export type TopicSettings = Readonly<Record<PartitionSetting | 'KAFKA_RETENTION_HOURS', number>>;

/**
 * Returns the topic names of an installation.
 *
 * @param prefix prepended to each name; default `bulk.`, giving `bulk.actions`, `bulk.entity-batches.high`, …
 */
export function topicNames(prefix: string = DEFAULT_TOPIC_PREFIX): TopicNames {
  const names = Object.entries<TopicDeclaration>(TOPICS).map(([key, { suffix, members }]) => [
    key,
    members === undefined
      ? `${prefix}${suffix}`
      : byMember(members, (member) => `${prefix}${suffix}.${member}`),
  ]);
  return Object.fromEntries(names) as TopicNames;
}

/** Returns every topic, in the order of the table. */
export function topicsOf(names: TopicNames): Topic[] {
  return Object.entries<TopicDeclaration>(TOPICS).flatMap(([row, declaration]) => {
    const key = row as TopicKey;
    const { purpose } = declaration;
    const topic = (name: string, member?: string): Topic => ({
      ...declaration,
      key,
      member,
      name,
      purpose: typeof purpose === 'string' ? purpose : purpose(member ?? ''),
    });
    const named = names[key];
    return typeof named === 'string'
      ? [topic(named)]
      : Object.entries(named).map(([member, name]) => topic(name, member));
  });
}

/** Returns the topic of this name, or undefined if it is none of the installation's. */
export function topicNamed(names: TopicNames, name: string): Topic | undefined {
  return topicsOf(names).find((topic) => topic.name === name);
}

/** Returns every topic name, once. */
export function allTopics(names: TopicNames): string[] {
  return topicsOf(names).map(({ name }) => name);
}

/** Returns the topics to whose offsets MongoDB refers. They may not be created again without a new epoch. */
export function guardedTopics({ entityBatches, retries, results }: TopicNames): string[] {
  return [...Object.values(entityBatches), ...Object.values(retries), results];
}

export function partitionsOf({ partitions }: Topic, settings: TopicSettings): number {
  return partitions === 1 ? 1 : settings[partitions];
}

/** Returns the minimum number of hours for which Kafka keeps a message of the topic. */
export function retentionHoursOf({ retention }: Topic, settings: TopicSettings): number {
  return typeof retention === 'string' ? settings[retention] : retention.hours;
}

/** Returns the lane that a topic carries, or undefined if the topic is not a lane's. */
export function laneOfTopic(topics: TopicNames, topic: string): Lane | undefined {
  return LANES.find((lane) => topics.entityBatches[lane] === topic);
}

/**
 * The consumer groups whose lag shows the waiting work. The groups of notifier and of tools, one per process, are not
 * listed.
 */
export interface ConsumerGroups {
  /** The group of all handlers, per lane. */
  readonly handler: Readonly<Record<Lane, string>>;
  /** The group of all handlers for the retry topics. Waiting messages there are not due yet. */
  readonly handlerRetries: string;
  /** The group of all stats-aggregators for the results. */
  readonly statsAggregator: string;
}

/** Returns the consumer groups of an installation. @param prefix the prefix of the topics. */
export function consumerGroups(prefix: string = DEFAULT_TOPIC_PREFIX): ConsumerGroups {
  const { entityBatches, retries, results } = TOPICS;
  return {
    handler: byMember(LANES, (lane) => prefix + entityBatches.consumers.handler.group(lane)),
    handlerRetries: prefix + retries.consumers.handler.group(),
    statsAggregator: prefix + results.consumers['stats-aggregator'].group(),
  };
}

function byMember<Member extends string>(
  members: readonly Member[],
  valueOf: (member: Member) => string,
): Readonly<Record<Member, string>> {
  return Object.fromEntries(members.map((member) => [member, valueOf(member)])) as Record<Member, string>;
}
