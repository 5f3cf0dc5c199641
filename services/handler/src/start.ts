import type { ActionRegistry } from '@bulk/action-types';
import { consumerGroups, HEADERS, headerText, RETRY_TIERS } from '@bulk/contracts';
import { LANES, type Lane } from '@bulk/domain';
import {
  ChunkConsumer,
  DONE,
  KAFKA_PRODUCER,
  openTopicGuard,
  type Chunk,
  type Disposition,
} from '@bulk/kafka';
import { recordTopicIds } from '@bulk/mongo';
import { openDependency, startAdminServer, type ServiceContext } from '@bulk/runtime';
import { TRACEPARENT, withSpan } from '@bulk/runtime/telemetry';
import type { HandlerConfig } from './config.ts';
import { createContainer, TOKENS } from './container.ts';
import { LaneConsumers } from './lanes/lane-consumers.ts';
import { LaneGate } from './lanes/lane-gate.ts';
import { byLane } from './lanes/lane-weights.ts';
import { createHandlerMetrics } from './metrics.ts';
import { dueAt } from './retry/retry-headers.ts';

/** The consumers of the lanes during the start. On `/readyz` each consumer has its own name. */
const CONSUMERS = 'consumers';
const RETRY_CONSUMER = 'retry consumer';

/** Returns the consumer group of all handlers of an installation for a lane. */
export function handlerGroup(topicPrefix: string, lane: Lane): string {
  return consumerGroups(topicPrefix).handler[lane];
}

function consumerOf(lane: Lane): string {
  return `consumer of lane ${lane}`;
}

/** Processes a batch in the trace of its action. Every message is a chunk of its own. */
function inSpanOf(
  { topic, partition, messages }: Chunk,
  work: () => Promise<Disposition>,
): Promise<Disposition> {
  const [message] = messages;
  const headers = message?.headers ?? {};
  const actionId = headerText(headers, HEADERS.actionId);
  const batchNo = headerText(headers, HEADERS.batchNo);
  return withSpan(
    'apply batch',
    {
      kind: 'consumer',
      parent: headerText(headers, TRACEPARENT) ?? null,
      attributes: {
        'messaging.system': 'kafka',
        'messaging.destination.name': topic,
        'messaging.destination.partition.id': String(partition),
        ...(message === undefined ? {} : { 'messaging.kafka.offset': message.offset }),
        ...(actionId === undefined ? {} : { 'bulk.action_id': actionId }),
        ...(batchNo === undefined ? {} : { 'bulk.batch_no': Number(batchNo) }),
      },
    },
    work,
  );
}

/** Starts handler. Resolves with the admin port once handler consumes. */
export async function startHandler(
  config: Readonly<HandlerConfig>,
  context: ServiceContext,
  registry?: ActionRegistry,
): Promise<number> {
  const { log, health, dependencies, releasers, fail } = context;
  for (const lane of LANES) health.set(consumerOf(lane), 'waiting');
  const measured = createHandlerMetrics(config, health);
  const admin = await startAdminServer(config, { health, metrics: measured.metrics, log });
  releasers.push('admin server', () => admin.close());

  const container = await createContainer(config, context, registry, measured);
  const topics = container.get(TOKENS.topics);
  const batches = container.get(TOKENS.consumer);
  const database = container.get(TOKENS.database);
  // Fences and results refer to offsets in these topics.
  const guarded = [...Object.values(topics.entityBatches), ...Object.values(topics.retries), topics.results];
  const guard = await openTopicGuard(
    container.get(TOKENS.kafka),
    guarded,
    (ids) => recordTopicIds(database, ids),
    context,
  );
  const shared = {
    kafka: container.get(TOKENS.kafka),
    config,
    // One message per chunk: see BatchConsumer on why a result comes before the next batch.
    chunkSize: 1,
    concurrency: config.PARTITION_CONCURRENCY,
    fromBeginning: true,
    commitIntervalMs: config.COMMIT_INTERVAL_MS,
    backoff: { initialDelayMs: config.RETRY_INITIAL_DELAY_MS, maxDelayMs: config.RETRY_MAX_DELAY_MS },
    process: (chunk: Chunk) =>
      inSpanOf(chunk, async () => {
        await dependencies.during([KAFKA_PRODUCER], () => batches.process(chunk));
        return DONE;
      }),
    onFailure: (error: unknown, chunk: Chunk) => batches.onFailure(error, chunk),
    // The results topic is confirmed too, because the counts refer to its offsets.
    admit: async (topic: string) => {
      try {
        await guard.confirm([topic, topics.results]);
      } catch (error) {
        dependencies.failed(error);
        throw error;
      }
    },
    onCrash: fail,
    log,
  };
  const readiness = (name: string) => ({
    onAssigned: () => health.set(name, 'ready'),
    onInterrupted: (error: unknown) => health.set(name, 'waiting', String(error)),
  });
  const instruments = (name: Lane | 'retries') => ({
    recorder: measured.consumer(name),
    lag: measured.lags[name],
    lagIntervalMs: config.KAFKA_LAG_INTERVAL_MS,
  });
  // All consumers stop together, so that each receives the signal at once.
  const running: { stop(): Promise<void> }[] = [];
  releasers.push(CONSUMERS, async () => {
    await Promise.all(running.map((consumer) => consumer.stop()));
  });
  const open = async (name: string, start: () => Promise<{ stop(): Promise<void> }>): Promise<void> => {
    running.push(await openDependency(name, start, context));
  };
  await Promise.all([
    open(CONSUMERS, () =>
      LaneConsumers.start({
        ...shared,
        // The gate limits how many batches are processed, so that each partition waits there in its
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
        }),
      }),
    ),
    // A consumer of its own, so that retries take no place of the lanes and a pause delays none of
    // their sessions.
    open(RETRY_CONSUMER, () =>
      ChunkConsumer.start({
        ...shared,
        ...readiness(RETRY_CONSUMER),
        instruments: instruments('retries'),
        groupId: consumerGroups(config.TOPIC_PREFIX).handlerRetries,
        topics: RETRY_TIERS.map((tier) => topics.retries[tier]),
        dueAt,
      }),
    ),
  ]);
  log.info({ adminPort: admin.port }, 'Service ready');
  return admin.port;
}
