import { randomUUID } from 'node:crypto';
import { createRegistry, type ActionRegistry } from '@bulk/action-types';
import { createAuthenticator } from '@bulk/auth';
import { consumerGroups, type TopicNames } from '@bulk/contracts';
import { openMessaging, openProducer, type Kafka, type MessageProducer } from '@bulk/kafka';
import { openDatabase, openReads, RecordReader, type Database } from '@bulk/mongo';
import { configuredLifetimes, startAdminServer, type ServiceContext } from '@bulk/runtime';
import { callbackPolicyOf, webhookSecretsOf } from '@bulk/webhooks';
import { Container, type ServiceIdentifier } from 'inversify';
import type Koa from 'koa';
import type { Middleware } from 'koa';
import { uuidv7 } from 'uuidv7';
import { ActionControl } from './control/action-control.ts';
import { ActionStore } from './actions/action-store.ts';
import { CreateAction } from './submission/create-action.ts';
import { CreateFiltered } from './submission/create-filtered.ts';
import { FailedEntities } from './submission/failed-entities.ts';
import { IdempotencyKeys } from './submission/idempotency.ts';
import { ProgressEvents } from './dispatch/progress-events.ts';
import { InputReader } from './input/input-reader.ts';
import { CorrectedFile } from './retries/corrected-file.ts';
import { RetryChain } from './retries/retry-chain.ts';
import { RetryAction } from './submission/retry-action.ts';
import { UndoAction } from './submission/undo-action.ts';
import type { IntakeConfig } from './config.ts';
import { dispatchSettingsOf } from './dispatch/dispatch-config.ts';
import { DispatchStore } from './dispatch/dispatch-store.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { GapStore } from './dispatch/gap-store.ts';
import { GapSweeper } from './dispatch/gap-sweeper.ts';
import { findUnfinishedActions } from './dispatch/unfinished-actions.ts';
import { admission } from './http/admission.ts';
import { createApp } from './http/app.ts';
import { Budget } from './http/budget.ts';
import { openRateLimit } from './http/open-rate-limit.ts';
import { startHttpServer } from './http/server.ts';
import { createRouter } from './routes.ts';
import { startSchedules } from './schedules.ts';
import { CutOff } from './http/stopping.ts';
import { createIntakeMetrics, type IntakeMetrics } from './metrics.ts';
import { RowMatcher } from './matching/matched-rows.ts';
import { LogReader } from './reading/log-reader.ts';
import { documentationOf } from './documentation/documentation.ts';
import { createFirstPositionUpkeep, type FirstPositionUpkeep } from './clean-up/first-position-upkeep.ts';
import { Janitor } from './clean-up/janitor.ts';
import { StagingArea } from './submission/staging-area.ts';
import { quotaLimitsOf } from './quotas/quota-config.ts';
import { ColumnMappings } from './mappings/column-mappings.ts';
import { Quotas } from './quotas/quotas.ts';
import { Webhooks } from './webhooks/webhooks.ts';

/**
 * Number of driver time-outs after which a write that the driver has given up has arrived, or never
 * will.
 */
const LATE_WRITE_TIMEOUTS = 3;

/**
 * Part of the time to stop for which the dispatcher waits for windows under way.
 *
 * After it the dispatcher hands back their leases, too.
 */
const HAND_BACK_PART = 0.3;

/** Part of the bytes that an upload may hold in which its rows wait for their match. */
const MATCH_GROUP_PART = 0.25;

/** Number of signs of life of the read of a filter within the time after which it would count as broken off. */
const PULSES = 4;

export const TOKENS = {
  database: Symbol('Database') as ServiceIdentifier<Database>,
  longReads: Symbol('Database for long reads') as ServiceIdentifier<Database>,
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
  firstPositions: Symbol('FirstPositionUpkeep') as ServiceIdentifier<FirstPositionUpkeep>,
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
  const longReads = await openReads(
    'bulk-intake',
    config,
    { timeoutMs: config.FILTER_TIMEOUT_MS, atOnce: config.FILTER_READS_IN_FLIGHT },
    context,
  );
  const messaging = await openMessaging('intake', config, context);
  const opened = await openProducer(messaging, context);
  const producer = options.producer?.(opened) ?? opened;
  const rateLimit = await openRateLimit(config, context, measured.rateLimited);
  const authenticator = createAuthenticator(config, context.log);

  const container = new Container({ defaultScope: 'Singleton' });
  container.bind(TOKENS.database).toConstantValue(database);
  container.bind(TOKENS.longReads).toConstantValue(longReads);
  container.bind(TOKENS.topics).toConstantValue(messaging.topics);
  container.bind(TOKENS.producer).toConstantValue(producer);
  container.bind(TOKENS.cutOff).toConstantValue(new CutOff());
  container.bind(TOKENS.kafka).toConstantValue(messaging.kafka);
  container.bind(TOKENS.admission).toConstantValue(admission({ authenticator, rateLimit }));
  const surroundings = { database, config, context, registry, measured };
  bindDispatch(container, surroundings);
  bindSubmission(container, surroundings);
  bindCleanUp(container, surroundings);
  bindApi(container, surroundings);
  return container;
}

/** What every binding may need. */
interface Surroundings {
  readonly database: Database;
  readonly config: IntakeConfig;
  readonly context: ServiceContext;
  readonly registry: ActionRegistry;
  readonly measured: IntakeMetrics;
}

const now = (): Date => new Date();

function bindDispatch(
  container: Container,
  { database, config, context: { log, health }, measured }: Surroundings,
): void {
  const settings = dispatchSettingsOf(config);
  container
    .bind(TOKENS.progressEvents)
    .toDynamicValue(
      (resolution) => new ProgressEvents(resolution.get(TOKENS.producer), resolution.get(TOKENS.topics), log),
    );
  container.bind(TOKENS.dispatcher).toDynamicValue(
    (resolution) =>
      new Dispatcher({
        store: new DispatchStore(database, settings.leaseMs, now, settings.window.batches),
        producer: resolution.get(TOKENS.producer),
        topics: resolution.get(TOKENS.topics),
        ...settings,
        onChanged: (action) => resolution.get(TOKENS.progressEvents).tell(action),
        monotonic: () => performance.now(),
        instanceId: randomUUID(),
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
        window: settings.window,
        afterMs: config.GAP_SWEEP_AFTER_MS,
        now,
        onMissing: (lane, batches) => measured.dispatch.missing(lane, batches),
        log,
      }),
  );
}

function bindSubmission(
  container: Container,
  { database, config, context: { log }, registry, measured }: Surroundings,
): void {
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
          pulseMs: Math.min(config.IDEMPOTENCY_STALE_MS, config.STAGING_TIMEOUT_MS) / PULSES,
          lateWriteMs: LATE_WRITE_TIMEOUTS * config.MONGODB_TIMEOUT_MS,
          now,
        },
        log,
        resolution.get(TOKENS.dispatcher),
      ),
  );
  container
    .bind(TOKENS.webhooks)
    .toDynamicValue(() => new Webhooks(webhookSecretsOf(config)[0], callbackPolicyOf(config)));
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
      matcher: new RowMatcher({
        database,
        group: {
          rows: config.MATCH_GROUP_ROWS,
          bytes: Math.ceil(config.UPLOAD_BUFFER_BYTES * MATCH_GROUP_PART),
          waitMs: config.MATCH_GROUP_WAIT_MS,
        },
        maxEntityBytes: config.MAX_ENTITY_BYTES,
      }),
      newActionId: uuidv7,
      newEntityId: uuidv7,
      onAccepted: () => dispatcher.wake(),
      onEnded: (action) => resolution.get(TOKENS.progressEvents).tell(action),
      recorder: measured.creation,
      schedule: { maxDays: config.MAX_SCHEDULE_DAYS, now },
    });
  });
}

function bindCleanUp(container: Container, { database, config, context }: Surroundings): void {
  const { log } = context;
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
  container
    .bind(TOKENS.firstPositions)
    .toDynamicValue(() => createFirstPositionUpkeep(database, config, context));
}

function bindApi(
  container: Container,
  { database, config, context: { log }, registry, measured }: Surroundings,
): void {
  container.bind(TOKENS.actions).toDynamicValue(() => new ActionStore(database));
  container.bind(TOKENS.app).toDynamicValue((resolution) => {
    const actions = resolution.get(TOKENS.actions);
    const createAction = resolution.get(TOKENS.createAction);
    const dispatcher = resolution.get(TOKENS.dispatcher);
    const events = resolution.get(TOKENS.progressEvents);
    const logs = new LogReader(database, config.KAFKA_LANE_PARTITIONS);
    const cutOff = resolution.get(TOKENS.cutOff);
    const records = new RecordReader(database, {
      reads: resolution.get(TOKENS.longReads),
      timeoutMs: config.FILTER_TIMEOUT_MS,
    });
    const reads = new Budget({
      total: config.FILTER_READS_IN_FLIGHT,
      perAccount: config.FILTER_READS_IN_FLIGHT_ACCOUNT,
      unit: 'reads of records',
    });
    const maxEntities = config.MAX_ENTITIES;
    const chain = new RetryChain(database);
    const input = new InputReader(database, config.KAFKA_LANE_PARTITIONS);
    const retryAction = new RetryAction({
      actions,
      createAction,
      failedEntities: new FailedEntities(database, config.KAFKA_LANE_PARTITIONS),
      chain,
      input,
      registry,
      newActionId: uuidv7,
    });
    const router = createRouter({
      createAction,
      createFiltered: new CreateFiltered({ createAction, registry, records, reads, maxEntities, cutOff }),
      records,
      reads,
      correctedFile: new CorrectedFile({
        database,
        registry,
        actions,
        chain,
        input,
        retryAction,
        createAction,
      }),
      chain,
      input,
      webhooks: resolution.get(TOKENS.webhooks),
      registry,
      actions,
      mappings: new ColumnMappings({
        database,
        registry,
        perAccount: config.COLUMN_MAPPINGS_ACCOUNT,
        now,
      }),
      logs,
      control: new ActionControl({
        database,
        actions,
        onChanged: (action) => {
          events.tell(action);
          dispatcher.wake();
        },
        now,
      }),
      retryAction,
      undoAction: new UndoAction({
        actions,
        createAction,
        logs,
        maxEntityBytes: config.MAX_ENTITY_BYTES,
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
      limits: { maxEntities, maxEntityBytes: config.MAX_ENTITY_BYTES },
      cutOff,
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

/** The ports of a started intake. */
export interface IntakePorts {
  readonly port: number;
  readonly adminPort: number;
}

/** Starts intake. Resolves when the REST API listens. */
export async function startIntake(
  config: Readonly<IntakeConfig>,
  context: ServiceContext,
  registry?: ActionRegistry,
  options?: ContainerOptions,
): Promise<IntakePorts> {
  const { log, health, releasers } = context;
  health.set('http', 'waiting');
  health.keepReadiness();
  const measured = createIntakeMetrics(config, health);
  const admin = await startAdminServer(config, { health, metrics: measured.metrics, log });
  releasers.push('admin server', () => admin.close());

  const container = await createContainer(config, context, registry, measured, options);
  const dispatcher = container.get(TOKENS.dispatcher);
  // First, and concurrently with slower releasers: other instances can continue with what is handed
  // back.
  releasers.push('dispatcher', (limitMs) => dispatcher.stop(limitMs * HAND_BACK_PART), { atOnce: true });
  const database = container.get(TOKENS.database);
  const retries = {
    maxPostponed: config.DISPATCH_POSTPONED_BATCHES,
    maxAgeMs: configuredLifetimes(config).retryAgeLimitMs,
  };
  measured.watch({
    dispatch: () => dispatcher.inFlight,
    windows: () => dispatcher.windowSizes,
    unfinished: () => findUnfinishedActions(database, retries, new Date()),
  });
  const sweeper = container.get(TOKENS.gapSweeper);
  startSchedules(
    {
      dispatcher,
      janitor: container.get(TOKENS.janitor),
      sweeper: { sweep: () => measured.swept(() => sweeper.sweep()) },
      firstPositions: container.get(TOKENS.firstPositions),
    },
    config,
    context,
  );

  const server = await startHttpServer(
    {
      host: config.HOST,
      port: config.PORT,
      requestTimeoutMs: config.REQUEST_TIMEOUT_MS,
      headersTimeoutMs: config.HEADERS_TIMEOUT_MS,
      keepAliveTimeoutMs: config.KEEP_ALIVE_TIMEOUT_MS,
      maxHeaderBytes: config.MAX_HEADER_BYTES,
      cutOff: container.get(TOKENS.cutOff),
      maxConnections: config.MAX_CONNECTIONS,
      log,
    },
    container.get(TOKENS.app).callback(),
  );
  releasers.push('http server', (limitMs) => server.close(limitMs));
  const { port } = server;
  health.set('http', 'ready');
  dispatcher.wake();
  log.info({ port, adminPort: admin.port }, 'Service ready');
  return { port, adminPort: admin.port };
}
