import { LANES } from '@bulk/domain';
import { MESSAGES } from '../kafka/messages.ts';
import { RETRY_TIERS, type TopicNames } from '../kafka/topics.ts';

export interface KafkaFacts {
  readonly topics: TopicNames;
  /** Partitions of each lane's topic. */
  readonly lanePartitions: number;
  /** Partitions of results and progress. */
  readonly resultsPartitions: number;
  /** Of all topics but progress. */
  readonly retentionHours: number;
}

/** The contract of one topic. */
export interface TopicFacts {
  /** Name of the channel in the document. */
  readonly name: string;
  readonly address: string;
  /** Name of its message. */
  readonly message: string;
  readonly partitions: number;
  readonly retentionMs: number;
  /** Whether the platform itself reads it while it runs. */
  readonly received: boolean;
  readonly purpose: string;
  readonly partitioning: string;
  readonly ordering: string;
  /** How a repetition is recognised. */
  readonly repetition: string;
  readonly retention: string;
  readonly compatibility: string;
}

const HOUR_MS = 3_600_000;

const STABLE =
  'For other systems, too: its schema changes only in ways that are FULLY compatible, so old and new readers and writers understand each other.';
const INTERNAL = "Between the platform's own services: look, but do not build on it.";
const BY_KEY = "By hash of the key (murmur2, Kafka's own default). `KAFKA_RESULTS_PARTITIONS` says how many.";
const BY_ENTITY =
  'By hash of (entityType, entityId), not of the key. `KAFKA_LANE_PARTITIONS` says how many; fixed at creation.';
const SAME_BATCH = 'A repetition has the same actionId and batchNo.';
const KEPT = 'As long as `KAFKA_RETENTION_HOURS` says.';

/** The contract of every topic, in the order of the way of the data. */
export function topicFacts({
  topics,
  lanePartitions,
  resultsPartitions,
  retentionHours,
}: KafkaFacts): readonly TopicFacts[] {
  const kept = { retentionMs: retentionHours * HOUR_MS, retention: KEPT };
  return [
    {
      name: 'actions',
      address: topics.actions,
      message: MESSAGES.actionSubmitted.name,
      partitions: 1,
      ...kept,
      received: false,
      purpose: 'Each action when its dispatch begins.',
      partitioning: 'One partition.',
      ordering: 'The order in which dispatches began.',
      repetition: 'A repetition has the same actionId.',
      compatibility: INTERNAL,
    },
    ...LANES.map((lane) => ({
      name: `entityBatches.${lane}`,
      address: topics.entityBatches[lane],
      message: MESSAGES.entityBatch.name,
      partitions: lanePartitions,
      ...kept,
      received: true,
      purpose: `What the ${lane} lane has to do: batches of entities that share a partition, in the order of their actions.`,
      partitioning: BY_ENTITY,
      ordering: 'All changes of an entity are in one partition, in the order in which they were dispatched.',
      repetition: SAME_BATCH,
      compatibility: INTERNAL,
    })),
    ...RETRY_TIERS.map((tier) => ({
      name: `retries.${tier}`,
      address: topics.retries[tier],
      message: MESSAGES.entityBatch.name,
      partitions: lanePartitions,
      ...kept,
      received: true,
      purpose: `Batches that wait for another try, byte for byte, in the ${tier} tier. Headers retry-* hold where a batch stood in its lane, from when on it is tried (retry-not-before) and what is settled of it (retry-progress).`,
      partitioning: 'The partition that the batch had in its lane.',
      ordering: 'What is at the head of a partition falls due first.',
      repetition: SAME_BATCH,
      compatibility: INTERNAL,
    })),
    {
      name: 'results',
      address: topics.results,
      message: MESSAGES.batchResult.name,
      partitions: resultsPartitions,
      ...kept,
      received: true,
      purpose:
        'The outcome of every position, a batch a message. All results of an action are in one partition.',
      partitioning: BY_KEY,
      ordering:
        "An action's results are in one partition, in the order in which they were produced: not in that of their batches, which come from several partitions of a lane.",
      repetition:
        'A repetition has the same resultId and generation (also headers), and the first one counts. A higher generation comes of a replay and replaces the outcomes of the lower ones.',
      compatibility: STABLE,
    },
    {
      name: 'progress',
      address: topics.progress,
      message: MESSAGES.actionProgress.name,
      partitions: resultsPartitions,
      retentionMs: HOUR_MS,
      retention: 'One hour: only the newest matters.',
      received: true,
      purpose: "The whole state of an action's counts after each change. Only the newest matters.",
      partitioning: BY_KEY,
      ordering:
        "An action's events are in one partition. `version` tells which of two is newer, not the offset.",
      repetition: 'A higher version is newer; drop what is not.',
      compatibility: STABLE,
    },
    {
      name: 'deadLetters',
      address: topics.deadLetters,
      message: MESSAGES.deadLetter.name,
      partitions: 1,
      ...kept,
      received: false,
      purpose: 'Messages that could not be processed, byte for byte, with the cause.',
      partitioning: 'One partition.',
      ordering: 'The order in which they were given up.',
      repetition: 'A repetition has the same origin.',
      compatibility: INTERNAL,
    },
  ];
}
