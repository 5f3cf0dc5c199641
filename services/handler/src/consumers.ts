import { consumerGroups, laneOfTopic, RETRY_TIERS, type TopicNames } from '@bulk/contracts';
import { LANES, type Lane } from '@bulk/domain';
import { ChunkConsumer, type Chunk, type Kafka, type TopicGuard } from '@bulk/kafka';
import { openDependency, type ServiceContext } from '@bulk/runtime';
import type { HandlerConfig } from './config.ts';
import type { BatchConsumer } from './consumption/batch-consumer.ts';
import { LaneConsumers } from './lanes/lane-consumers.ts';
import { LaneGate } from './lanes/lane-gate.ts';
import { byLane } from './lanes/lane-weights.ts';
import type { HandlerMetrics } from './metrics.ts';
import { dueAt } from './retry/retry-headers.ts';

/** The consumers of the lanes during the start. On `/healthz` each consumer has its own name. */
const CONSUMERS = 'consumers';
const RETRY_CONSUMER = 'retry consumer';

/** Returns the consumer group of all handlers of an installation for a lane. */
export function handlerGroup(topicPrefix: string, lane: Lane): string {
  return consumerGroups(topicPrefix).handler[lane];
}

function consumerOf(lane: Lane): string {
  return `consumer of lane ${lane}`;
}

/** Reports on `/healthz` that no lane is consumed yet. */
export function awaitConsumers({ health }: Pick<ServiceContext, 'health'>): void {
  for (const lane of LANES) health.set(consumerOf(lane), 'waiting');
}

export interface ConsumersOptions {
  readonly kafka: Kafka;
  readonly topics: TopicNames;
  readonly batches: Pick<BatchConsumer, 'process'>;
  /** Rejects if the messages of a topic must not be processed. */
  readonly guard: Pick<TopicGuard, 'ids' | 'confirm'>;
  readonly metrics: Pick<HandlerMetrics, 'consumer' | 'lags'>;
}

interface Stoppable {
  stop(limitMs: number): Promise<void>;
}

/** Joins the groups of the lanes and of the retry topics, and registers how they are left. */
export async function startConsumers(
  { kafka, topics, batches, guard, metrics }: ConsumersOptions,
  config: Readonly<HandlerConfig>,
  context: ServiceContext,
): Promise<void> {
  const { log, health, dependencies, releasers, fail } = context;
  const shared = {
    kafka,
    config,
    fromBeginning: true,
    commitIntervalMs: config.COMMIT_INTERVAL_MS,
    backoff: { initialDelayMs: config.RETRY_INITIAL_DELAY_MS, maxDelayMs: config.RETRY_MAX_DELAY_MS },
    // The results topic is confirmed too, because the counts refer to its offsets.
    admit: async (topic: string) => {
      try {
        await guard.confirm([topic, topics.results]);
      } catch (error) {
        dependencies.failed(error);
        throw error;
      }
    },
    topicIds: guard.ids,
    onCrash: fail,
    log,
  };
  const readiness = (name: string) => ({
    onAssigned: () => health.set(name, 'ready'),
    onInterrupted: (error: unknown) => health.set(name, 'waiting', String(error)),
  });
  const instruments = (name: Lane | 'retries') => ({
    recorder: metrics.consumer(name),
    lag: metrics.lags[name],
    lagIntervalMs: config.KAFKA_LAG_INTERVAL_MS,
  });
  // The consumers do not see the failure of one message of a chunk.
  const failedIn = (chunk: Chunk) => (): void =>
    metrics.consumer(laneOfTopic(topics, chunk.topic) ?? 'retries').failed();
  // All consumers stop together, so that each receives the signal at once.
  const running: Stoppable[] = [];
  releasers.push(CONSUMERS, async (limitMs) => {
    await Promise.all(running.map((consumer) => consumer.stop(limitMs)));
  });
  const open = async (name: string, start: () => Promise<Stoppable>): Promise<void> => {
    running.push(await openDependency(name, start, context));
  };
  await Promise.all([
    open(CONSUMERS, () =>
      LaneConsumers.start({
        ...shared,
        process: (chunk, { took }) => batches.process(chunk, { took, failed: failedIn(chunk) }),
        chunkSize: config.GROUP_BATCHES,
        // The gate limits how many groups are processed, so that each partition waits there in its
        // order of arrival.
        concurrency: config.KAFKA_LANE_PARTITIONS,
        groupOf: (lane) => handlerGroup(config.TOPIC_PREFIX, lane),
        topicOf: (lane) => topics.entityBatches[lane],
        ofLane: (lane) => ({ ...readiness(consumerOf(lane)), instruments: instruments(lane) }),
        // Each try of the start needs a gate of its own, because a closed gate does not open again.
        gate: new LaneGate({
          permits: config.PARTITION_CONCURRENCY,
          weights: byLane(config.LANE_WEIGHTS),
          heartbeatMs: config.KAFKA_HEARTBEAT_INTERVAL_MS,
          maxWorkMs: config.KAFKA_MAX_PROCESSING_MS,
        }),
      }),
    ),
    // A consumer of its own, so that retries take no place of the lanes and a pause delays none of
    // their sessions.
    open(RETRY_CONSUMER, () =>
      ChunkConsumer.start({
        ...shared,
        ...readiness(RETRY_CONSUMER),
        process: (chunk) => batches.process(chunk, { failed: failedIn(chunk) }),
        // Each message has its own due time.
        chunkSize: 1,
        concurrency: config.PARTITION_CONCURRENCY,
        instruments: instruments('retries'),
        groupId: consumerGroups(config.TOPIC_PREFIX).handlerRetries,
        topics: RETRY_TIERS.map((tier) => topics.retries[tier]),
        dueAt,
      }),
    ),
  ]);
}
