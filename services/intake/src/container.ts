import { randomUUID } from 'node:crypto';
import { createRegistry, type ActionRegistry } from '@bulk/action-types';
import { createAuthenticator } from '@bulk/auth';
import { consumerGroups, type TopicNames } from '@bulk/contracts';
import { openMessaging, openProducer, type Kafka, type MessageProducer } from '@bulk/kafka';
import { openDatabase, type Database } from '@bulk/mongo';
import { connectRedisInBackground } from '@bulk/redis';
import { configuredLifetimes, type ServiceContext } from '@bulk/runtime';
import { callbackPolicyOf } from '@bulk/webhooks';
import { Container, type ServiceIdentifier } from 'inversify';
import type Koa from 'koa';
import type { Middleware } from 'koa';
import { uuidv7 } from 'uuidv7';
import { ActionControl } from './control/action-control.ts';
import { ActionStore } from './actions/action-store.ts';
import { CreateAction } from './submission/create-action.ts';
import { FailedEntities } from './submission/failed-entities.ts';
import { IdempotencyKeys } from './submission/idempotency.ts';
import { ProgressEvents } from './dispatch/progress-events.ts';
import { RetryAction } from './submission/retry-action.ts';
import type { IntakeConfig } from './config.ts';
import { DispatchStore } from './dispatch/dispatch-store.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { GapStore } from './dispatch/gap-store.ts';
import { GapSweeper } from './dispatch/gap-sweeper.ts';
import { minWindowForNewcomersOf, minWindowOf } from './dispatch/lane-window.ts';
import { admission } from './http/admission.ts';
import { createApp } from './http/app.ts';
import { Budget } from './http/budget.ts';
import { openRateLimit } from './http/open-rate-limit.ts';
import { createRouter } from './routes.ts';
import { CutOff } from './http/stopping.ts';
import { createIntakeMetrics, type IntakeMetrics } from './metrics.ts';
import { LogReader } from './reading/log-reader.ts';
import { documentationOf } from './documentation/documentation.ts';
import { FirstPositionRelease } from './clean-up/first-position-release.ts';
import { FirstPositionRenewal } from './clean-up/first-position-renewal.ts';
import { Janitor } from './clean-up/janitor.ts';
import { StagingArea } from './submission/staging-area.ts';
import { quotaLimitsOf } from './quotas/quota-config.ts';
import { Quotas } from './quotas/quotas.ts';
import { Webhooks } from './webhooks/webhooks.ts';

/**
 * Number of driver time-outs after which a write that the driver has given up has arrived, or never
 * will.
 */
const LATE_WRITE_TIMEOUTS = 3;

/**
 * Number of redelivery margins between the end of an action and its release.
 *
 * A handler relies on first positions for one margin. The other covers clocks that differ.
 */
const RELEASE_MARGINS = 2;

export const TOKENS = {
  database: Symbol('Database') as ServiceIdentifier<Database>,
  topics: Symbol('TopicNames') as ServiceIdentifier<TopicNames>,
  kafka: Symbol('Kafka') as ServiceIdentifier<Kafka>,
  producer: Symbol('MessageProducer') as ServiceIdentifier<MessageProducer>,
  staging: Symbol('StagingArea') as ServiceIdentifier<StagingArea>,
  webhooks: Symbol('Webhooks') as ServiceIdentifier<Webhooks>,
  createAction: Symbol('CreateAction') as ServiceIdentifier<CreateAction>,
  progressEvents: Symbol('ProgressEvents') as ServiceIdentifier<ProgressEvents>,
  actions: Symbol('ActionStore') as ServiceIdentifier<ActionStore>,
  dispatcher: Symbol('Dispatcher') as ServiceIdentifier<Dispatcher>,
  janitor: Symbol('Janitor') as ServiceIdentifier<Janitor>,
  cutOff: Symbol('CutOff') as ServiceIdentifier<CutOff>,
  firstPositionRelease: Symbol('FirstPositionRelease') as ServiceIdentifier<FirstPositionRelease>,
  firstPositionRenewal: Symbol('FirstPositionRenewal') as ServiceIdentifier<FirstPositionRenewal>,
  gapSweeper: Symbol('GapSweeper') as ServiceIdentifier<GapSweeper>,
  admission: Symbol('admission') as ServiceIdentifier<Middleware>,
  app: Symbol('Koa') as ServiceIdentifier<Koa>,
} as const;

/** Differences from a normal installation. */
export interface ContainerOptions {
  /** Wraps the opened producer, e.g. so that a test loses messages. */
  readonly producer?: (opened: MessageProducer) => MessageProducer;
}

/**
 * Connects to everything that intake needs, waits for what is absent, and wires the parts: the
 * composition root.
 *
 * @param registry the action types of this installation; by default the catalog of @bulk/action-types.
 * @param measured records the work. By default nothing reads it.
 */
export async function createContainer(
  config: IntakeConfig,
  context: ServiceContext,
  registry: ActionRegistry = createRegistry(),
  measured: IntakeMetrics = createIntakeMetrics(config, context.health),
  options: ContainerOptions = {},
): Promise<Container> {
  const database = await openDatabase('bulk-intake', config, registry.entityTypes, context);
  const messaging = await openMessaging('intake', config, context);
  const opened = await openProducer(messaging, context);
  const producer = options.producer?.(opened) ?? opened;
  const rateLimit = await openRateLimit(config, context, measured.rateLimited);
  const authenticator = createAuthenticator(config, context.log);

  const container = new Container({ defaultScope: 'Singleton' });
  container.bind(TOKENS.database).toConstantValue(database);
  container.bind(TOKENS.topics).toConstantValue(messaging.topics);
  container.bind(TOKENS.producer).toConstantValue(producer);
  container.bind(TOKENS.cutOff).toConstantValue(new CutOff());
  const { release, renewal } = firstPositions(database, config, context);
  container.bind(TOKENS.firstPositionRelease).toConstantValue(release);
  container.bind(TOKENS.firstPositionRenewal).toConstantValue(renewal);
  container.bind(TOKENS.kafka).toConstantValue(messaging.kafka);
  container.bind(TOKENS.admission).toConstantValue(admission({ authenticator, rateLimit }));
  bindFeatures(container, config, context, registry, measured);
  return container;
}

/**
 * Creates the release and the renewal of first positions.
 *
 * Both share a connection to Redis of their own. Intake works without it: what is due waits.
 */
function firstPositions(
  database: Database,
  config: IntakeConfig,
  { log, releasers, signal }: ServiceContext,
): { release: FirstPositionRelease; renewal: FirstPositionRenewal } {
  const redis = connectRedisInBackground(config, config.REDIS_TIMEOUT_MS, log);
  releasers.push('redis of first positions', () => redis.disconnect());
  const lifetimeMs = configuredLifetimes(config).recognisedMs;
  const shared = { redis, prefix: config.REDIS_PREFIX, partitions: config.KAFKA_LANE_PARTITIONS, signal };
  return {
    release: new FirstPositionRelease(database, {
      ...shared,
      releaseAfterMs: RELEASE_MARGINS * config.REDELIVERY_MARGIN_MS,
      forgottenAfterMs: lifetimeMs,
      now: () => new Date(),
    }),
    renewal: new FirstPositionRenewal(database, {
      ...shared,
      lifetimeMs,
      monotonic: () => performance.now(),
    }),
  };
}

function bindFeatures(
  container: Container,
  config: IntakeConfig,
  { log, health }: ServiceContext,
  registry: ActionRegistry,
  measured: IntakeMetrics,
): void {
  const now = (): Date => new Date();
  const database = container.get(TOKENS.database);
  container.bind(TOKENS.staging).toDynamicValue(
    (resolution) =>
      new StagingArea(
        database,
        {
          batchSize: config.BATCH_SIZE,
          partitions: config.KAFKA_LANE_PARTITIONS,
          groupBatches: config.STAGING_GROUP_BATCHES,
          bufferBytes: config.UPLOAD_BUFFER_BYTES,
          maxEntityBytes: config.MAX_ENTITY_BYTES,
          lateWriteMs: LATE_WRITE_TIMEOUTS * config.MONGODB_TIMEOUT_MS,
          now,
        },
        log,
        resolution.get(TOKENS.dispatcher),
      ),
  );
  container.bind(TOKENS.janitor).toDynamicValue(
    () =>
      new Janitor(
        database,
        {
          stagingTimeoutMs: config.STAGING_TIMEOUT_MS,
          stagedRetentionMs: config.STAGED_RETENTION_MS,
          lateWriteMs: LATE_WRITE_TIMEOUTS * config.MONGODB_TIMEOUT_MS,
          now,
        },
        log,
      ),
  );
  container.bind(TOKENS.actions).toDynamicValue(() => new ActionStore(database));
  container
    .bind(TOKENS.progressEvents)
    .toDynamicValue(
      (resolution) => new ProgressEvents(resolution.get(TOKENS.producer), resolution.get(TOKENS.topics), log),
    );
  container.bind(TOKENS.dispatcher).toDynamicValue(
    (resolution) =>
      new Dispatcher({
        store: new DispatchStore(database, config.DISPATCH_LEASE_MS, now, config.DISPATCH_WINDOW_BATCHES),
        producer: resolution.get(TOKENS.producer),
        topics: resolution.get(TOKENS.topics),
        window: { batches: config.DISPATCH_WINDOW_BATCHES, bytes: config.DISPATCH_WINDOW_BYTES },
        batchSize: config.BATCH_SIZE,
        maxInFlight: config.DISPATCH_IN_FLIGHT_BATCHES,
        maxPostponed: config.DISPATCH_POSTPONED_BATCHES,
        parallelWindows: config.DISPATCH_PARALLEL_WINDOWS,
        maxInFlightOfAccount: config.DISPATCH_IN_FLIGHT_ACCOUNT_BATCHES,
        laneWindow: {
          min: config.DISPATCH_IN_FLIGHT_LANE_MIN_BATCHES ?? minWindowOf(config.KAFKA_LANE_PARTITIONS),
          minForNewcomers:
            config.DISPATCH_IN_FLIGHT_LANE_NEWCOMERS_BATCHES ??
            minWindowForNewcomersOf(config.KAFKA_LANE_PARTITIONS),
          max: config.DISPATCH_IN_FLIGHT_LANE_BATCHES,
          tolerance: config.DISPATCH_IN_FLIGHT_TOLERANCE_PERCENT / 100,
          probeEveryMs: config.DISPATCH_IN_FLIGHT_PROBE_MS,
        },
        staleMs: config.DISPATCH_IN_FLIGHT_STALE_MS,
        pollMs: config.DISPATCH_POLL_MS,
        onChanged: (action) => resolution.get(TOKENS.progressEvents).tell(action),
        leaseMs: config.DISPATCH_LEASE_MS,
        monotonic: () => performance.now(),
        instanceId: randomUUID(),
        concurrency: config.DISPATCH_CONCURRENCY,
        retryDelayMs: config.DISPATCH_RETRY_DELAY_MS,
        onPublished: (lane, batches) => measured.dispatch.published(lane, batches),
        onFailed: () => measured.dispatch.failed(),
        onSkipped: (lane, batches) => measured.dispatch.skipped(lane, batches),
        onEnded: (action) => measured.dispatch.ended(action),
        health,
        log,
      }),
  );
  container.bind(TOKENS.gapSweeper).toDynamicValue(
    (resolution) =>
      new GapSweeper({
        store: new GapStore(database, now),
        kafka: resolution.get(TOKENS.kafka),
        producer: resolution.get(TOKENS.producer),
        topics: resolution.get(TOKENS.topics),
        groups: consumerGroups(config.TOPIC_PREFIX),
        window: { batches: config.DISPATCH_WINDOW_BATCHES, bytes: config.DISPATCH_WINDOW_BYTES },
        afterMs: config.GAP_SWEEP_AFTER_MS,
        now,
        onMissing: (lane, batches) => measured.dispatch.missing(lane, batches),
        log,
      }),
  );
  container
    .bind(TOKENS.webhooks)
    .toDynamicValue(() => new Webhooks(config.WEBHOOK_SECRET, callbackPolicyOf(config)));
  container.bind(TOKENS.createAction).toDynamicValue((resolution) => {
    const dispatcher = resolution.get(TOKENS.dispatcher);
    const limits = quotaLimitsOf(config);
    return new CreateAction({
      registry,
      quotas:
        limits === undefined
          ? undefined
          : new Quotas({
              database,
              limits,
              now,
              monotonic: () => performance.now(),
              onRefused: measured.quotaExceeded,
              log,
            }),
      staging: resolution.get(TOKENS.staging),
      webhooks: resolution.get(TOKENS.webhooks),
      keys: new IdempotencyKeys(database, {
        staleMs: config.IDEMPOTENCY_STALE_MS,
        lateWriteMs: LATE_WRITE_TIMEOUTS * config.MONGODB_TIMEOUT_MS,
        now,
      }),
      newActionId: uuidv7,
      onAccepted: () => dispatcher.wake(),
      recorder: measured.creation,
      schedule: { maxDays: config.MAX_SCHEDULE_DAYS, now },
    });
  });
  container.bind(TOKENS.app).toDynamicValue((resolution) => {
    const actions = resolution.get(TOKENS.actions);
    const createAction = resolution.get(TOKENS.createAction);
    const dispatcher = resolution.get(TOKENS.dispatcher);
    const events = resolution.get(TOKENS.progressEvents);
    const router = createRouter({
      createAction,
      webhooks: resolution.get(TOKENS.webhooks),
      registry,
      actions,
      logs: new LogReader(database, config.KAFKA_LANE_PARTITIONS),
      control: new ActionControl({
        database,
        actions,
        onChanged: (action) => {
          events.tell(action);
          dispatcher.wake();
        },
        now,
      }),
      retryAction: new RetryAction({
        actions,
        createAction,
        failedEntities: new FailedEntities(database, config.KAFKA_LANE_PARTITIONS),
        newActionId: uuidv7,
      }),
      bodyLimitBytes: config.BODY_LIMIT_BYTES,
      uploadLimitBytes: config.UPLOAD_LIMIT_BYTES,
      maxCompressionRatio: config.MAX_COMPRESSION_RATIO,
      bodies: new Budget({
        total: config.BODIES_IN_FLIGHT_BYTES,
        perAccount: config.BODIES_IN_FLIGHT_ACCOUNT_BYTES,
        unit: 'bytes of JSON bodies',
      }),
      uploads: new Budget({
        total: config.UPLOADS_IN_FLIGHT,
        perAccount: config.UPLOADS_IN_FLIGHT_ACCOUNT,
        unit: 'uploads',
      }),
      limits: { maxEntities: config.MAX_ENTITIES, maxEntityBytes: config.MAX_ENTITY_BYTES },
      cutOff: resolution.get(TOKENS.cutOff),
      now,
    });
    return createApp({
      router,
      documentation: documentationOf(config, registry),
      admit: resolution.get(TOKENS.admission),
      recorder: measured.http,
      log,
    });
  });
}
