import { LANES, type Lane } from '@bulk/domain';

/** How long a batch waits for another try: each tier has one delay, so that its messages fall due in order. */
export const RETRY_TIERS = ['short', 'medium', 'long'] as const;
export type RetryTier = (typeof RETRY_TIERS)[number];

/** The topics of one installation; all share a prefix, so that installations can share a cluster. */
export interface TopicNames {
  /** `ActionSubmitted`; key: actionId. */
  readonly actions: string;
  /** `EntityBatch`, a topic per lane; key: actionId, partition by hash of the entity. */
  readonly entityBatches: Readonly<Record<Lane, string>>;
  /** `EntityBatch` as it came, a topic per tier: batches that wait for another try; partition that of the lane. */
  readonly retries: Readonly<Record<RetryTier, string>>;
  /** `BatchResult`; key: actionId. */
  readonly results: string;
  /** `ActionProgress`; key: actionId. */
  readonly progress: string;
  /** `DeadLetter`; key of the original message. */
  readonly deadLetters: string;
}

export const DEFAULT_TOPIC_PREFIX = 'bulk.';

/** @param prefix prepended to each name; default `bulk.`, giving `bulk.actions`, `bulk.entity-batches.high`, … */
export function topicNames(prefix: string = DEFAULT_TOPIC_PREFIX): TopicNames {
  return {
    actions: `${prefix}actions`,
    entityBatches: {
      high: `${prefix}entity-batches.high`,
      normal: `${prefix}entity-batches.normal`,
      low: `${prefix}entity-batches.low`,
    },
    retries: {
      short: `${prefix}retries.short`,
      medium: `${prefix}retries.medium`,
      long: `${prefix}retries.long`,
    },
    results: `${prefix}results`,
    progress: `${prefix}progress`,
    deadLetters: `${prefix}dead-letters`,
  };
}

/** The consumer groups whose lag says how much waits to be done. Those of notifier and of tools are one per process. */
export interface ConsumerGroups {
  /** All handlers, for each lane. */
  readonly handler: Readonly<Record<Lane, string>>;
  /** All handlers, for the retry topics: what waits there is not due yet. */
  readonly handlerRetries: string;
  /** All stats-aggregators, for the results. */
  readonly statsAggregator: string;
}

/** @param prefix as that of the topics. */
export function consumerGroups(prefix: string = DEFAULT_TOPIC_PREFIX): ConsumerGroups {
  return {
    handler: {
      high: `${prefix}handler.high`,
      normal: `${prefix}handler.normal`,
      low: `${prefix}handler.low`,
    },
    handlerRetries: `${prefix}handler-retries`,
    statsAggregator: `${prefix}stats-aggregator`,
  };
}

/** The lane that a topic carries, or undefined where the topic is not a lane's. */
export function laneOfTopic(topics: TopicNames, topic: string): Lane | undefined {
  return LANES.find((lane) => topics.entityBatches[lane] === topic);
}

/** Every topic name, once. */
export function allTopics(topics: TopicNames): string[] {
  return [
    topics.actions,
    ...LANES.map((lane) => topics.entityBatches[lane]),
    ...RETRY_TIERS.map((tier) => topics.retries[tier]),
    topics.results,
    topics.progress,
    topics.deadLetters,
  ];
}
