import { LANES } from '@bulk/domain';
import { MESSAGES, type MessageType } from './messages.ts';

/** The tiers of retry topics. Each tier has one delay, so that its messages become due in order. */
export const RETRY_TIERS = ['short', 'medium', 'long'] as const;
export type RetryTier = (typeof RETRY_TIERS)[number];

/** The services that produce to topics or consume them. */
export const SERVICES = ['intake', 'handler', 'stats-aggregator', 'notifier'] as const;
export type Service = (typeof SERVICES)[number];

/** Settings that define the number of partitions of topics. */
export type PartitionSetting = 'KAFKA_LANE_PARTITIONS' | 'KAFKA_RESULTS_PARTITIONS';

/** How a service consumes a topic. */
export interface TopicConsumer {
  /** Consumer group, without the prefix; `per-process` if each process has a group of its own. */
  readonly group: ((member: string) => string) | 'per-process';
  /** Whether Kubernetes scales the service on the lag of this group. */
  readonly scaled: boolean;
}

/** One row of the table: a topic, or several topics that differ by lane or tier alone. */
export interface TopicDeclaration {
  /** The topic's name without the prefix. A row with members adds `.member`. */
  readonly suffix: string;
  /** Makes the row one topic per member. */
  readonly members?: readonly string[];
  /** The message, which also declares its key and its headers. */
  readonly message: MessageType<unknown>;
  readonly partitions: 1 | PartitionSetting;
  /** Whether a service refuses to start on a topic with another number of partitions. */
  readonly partitionsFixed: boolean;
  readonly retention: 'KAFKA_RETENTION_HOURS' | { readonly hours: number; readonly because: string };
  readonly producers: readonly Service[];
  /** The services that consume the topic. Tools, and searches that only read, are not listed. */
  readonly consumers: Readonly<Partial<Record<Service, TopicConsumer>>>;
  /** The services that ask the broker for the log ends of the topic and for the progress of its groups. */
  readonly observers: readonly Service[];
  /** How an operator's replay sends a dead letter of this topic. */
  readonly replay: 'as-it-came' | 'as-next-generation' | 'never';
  readonly purpose: string | ((member: string) => string);
  /** How a message's partition is chosen. */
  readonly partitioning: string;
  readonly ordering: string;
  /** How a consumer recognises a repetition. */
  readonly repetition: string;
  /** The compatibility that other systems may rely on. */
  readonly compatibility: string;
}

const STABLE =
  'Open to other systems. Every change of its schema is FULLY compatible, so old and new readers and writers understand each other.';
const INTERNAL =
  "Internal to the platform's own services. Other systems may read it but must not depend on it.";
const BY_KEY = "By hash of the key (murmur2, Kafka's default), over `KAFKA_RESULTS_PARTITIONS` partitions.";
const BY_ENTITY =
  'By hash of (entityType, entityId), not of the key, over `KAFKA_LANE_PARTITIONS` partitions. Their number is fixed at creation.';
const SAME_BATCH = 'A repetition has the same actionId and batchNo.';

/**
 * Every topic of an installation, in the order of the data flow. Everything else about topics is derived from this table: names,
 * creation, schema registration, the AsyncAPI document, the Kubernetes manifests and what `npm run dlq` replays.
 */
export const TOPICS = {
  actions: {
    suffix: 'actions',
    message: MESSAGES.actionSubmitted,
    partitions: 1,
    partitionsFixed: false,
    retention: 'KAFKA_RETENTION_HOURS',
    producers: ['intake'],
    consumers: {},
    observers: [],
    replay: 'never',
    purpose: 'Each action, when its dispatch starts.',
    partitioning: 'One partition.',
    ordering: 'The order in which dispatches started.',
    repetition: 'A repetition has the same actionId.',
    compatibility: INTERNAL,
  },
  entityBatches: {
    suffix: 'entity-batches',
    members: LANES,
    message: MESSAGES.entityBatch,
    partitions: 'KAFKA_LANE_PARTITIONS',
    partitionsFixed: true,
    retention: 'KAFKA_RETENTION_HOURS',
    producers: ['intake'],
    consumers: { handler: { group: (lane) => `handler.${lane}`, scaled: true } },
    observers: ['intake'],
    replay: 'as-it-came',
    purpose: (lane) =>
      `The work of the ${lane} lane: batches of entities that share a partition, in the order of their actions.`,
    partitioning: BY_ENTITY,
    ordering: 'All changes of an entity are in one partition, in the order in which they were dispatched.',
    repetition: SAME_BATCH,
    compatibility: INTERNAL,
  },
  retries: {
    suffix: 'retries',
    members: RETRY_TIERS,
    message: MESSAGES.entityBatch,
    partitions: 'KAFKA_LANE_PARTITIONS',
    partitionsFixed: false,
    retention: 'KAFKA_RETENTION_HOURS',
    producers: ['handler'],
    // Its messages wait intentionally, so more replicas would not shorten the lag.
    consumers: { handler: { group: () => 'handler-retries', scaled: false } },
    observers: [],
    replay: 'never',
    purpose: (tier) =>
      `Batches that wait for another try, byte for byte, in the ${tier} tier. The headers retry-* hold the place of a batch in its lane, the time of the next try (retry-not-before) and the outcomes so far (retry-progress, retry-effects).`,
    partitioning: 'The partition that the batch had in its lane.',
    ordering: 'The message at the head of a partition becomes due first.',
    repetition: SAME_BATCH,
    compatibility: INTERNAL,
  },
  results: {
    suffix: 'results',
    message: MESSAGES.batchResult,
    partitions: 'KAFKA_RESULTS_PARTITIONS',
    partitionsFixed: false,
    retention: 'KAFKA_RETENTION_HOURS',
    producers: ['handler'],
    consumers: { 'stats-aggregator': { group: () => 'stats-aggregator', scaled: true } },
    observers: ['intake'],
    replay: 'as-next-generation',
    purpose:
      'The outcome of every position, one message per batch. All results of an action are in one partition.',
    partitioning: BY_KEY,
    ordering:
      "An action's results are in one partition, in the order in which they were produced. That is not the order of their batches, which come from several partitions of a lane.",
    repetition:
      'A repetition has the same resultId and generation (also in headers), and the first one counts. A result of a higher generation comes from a replay and replaces the outcomes of the lower ones.',
    compatibility: STABLE,
  },
  progress: {
    suffix: 'progress',
    message: MESSAGES.actionProgress,
    partitions: 'KAFKA_RESULTS_PARTITIONS',
    partitionsFixed: false,
    retention: { hours: 1, because: 'One hour: only the newest message of an action matters.' },
    producers: ['intake', 'stats-aggregator'],
    consumers: { notifier: { group: 'per-process', scaled: false } },
    observers: [],
    replay: 'never',
    purpose:
      "The whole state of an action's counts after each change. Only the newest message of an action matters.",
    partitioning: BY_KEY,
    ordering:
      "An action's events are in one partition. `version` shows which of two events is newer; the offset does not.",
    repetition: 'An event with a higher version is newer. Drop every other event.',
    compatibility: STABLE,
  },
  deadLetters: {
    suffix: 'dead-letters',
    message: MESSAGES.deadLetter,
    partitions: 1,
    partitionsFixed: false,
    retention: 'KAFKA_RETENTION_HOURS',
    producers: ['handler', 'stats-aggregator'],
    consumers: {},
    observers: ['stats-aggregator'],
    replay: 'never',
    purpose: 'Messages that could not be processed, byte for byte, with the cause.',
    partitioning: 'One partition.',
    ordering: 'The order in which the messages were dead-lettered.',
    repetition: 'A repetition has the same origin.',
    compatibility: INTERNAL,
  },
} as const satisfies Readonly<Record<string, TopicDeclaration>>;
