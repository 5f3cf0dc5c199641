import { randomUUID } from 'node:crypto';
import { createAuthenticator } from '@bulk/auth';
import { ownGroupPrefix } from '@bulk/contracts';
import { isFinal } from '@bulk/domain';
import { openMessaging } from '@bulk/kafka';
import { openDatabase } from '@bulk/mongo';
import { connectRedisInBackground, REDIS } from '@bulk/redis';
import { openDependency, startAdminServer, systemScheduler, type ServiceContext } from '@bulk/runtime';
import { Container, type ServiceIdentifier } from 'inversify';
import { allowedOriginsOf, type NotifierConfig } from './config.ts';
import { BufferedBytes } from './limits/buffered-bytes.ts';
import { FrameLimit } from './limits/frame-limit.ts';
import { SubscriptionBudget } from './limits/subscription-budget.ts';
import { createNotifierMetrics, type NotifierMetrics } from './metrics.ts';
import { PROGRESS_FEED, ProgressFeed } from './progress-feed/progress-feed.ts';
import { NotifierServer } from './server/notifier-server.ts';
import { FinishedActions } from './subscriptions/finished-actions.ts';
import { SubscriptionHub } from './subscriptions/hub.ts';
import { Newcomers } from './subscriptions/newcomers.ts';
import { Resync } from './subscriptions/resync.ts';
import { Snapshots } from './subscriptions/snapshots.ts';
import { createWebhookDelivery, type WebhookWorker } from './webhooks/create-delivery.ts';

/**
 * Keep-alive of plain requests, in ms. They are answered with how to connect, so their connection
 * is of no further use.
 */
const KEEP_ALIVE_MS = 5_000;

export const TOKENS = {
  groupId: Symbol('groupId') as ServiceIdentifier<string>,
  hub: Symbol('SubscriptionHub') as ServiceIdentifier<SubscriptionHub>,
  snapshots: Symbol('Snapshots') as ServiceIdentifier<Snapshots>,
  newcomers: Symbol('Newcomers') as ServiceIdentifier<Newcomers>,
  resync: Symbol('Resync') as ServiceIdentifier<Resync>,
  webhooks: Symbol('WebhookDelivery') as ServiceIdentifier<WebhookWorker>,
  feed: Symbol('ProgressFeed') as ServiceIdentifier<ProgressFeed>,
  server: Symbol('NotifierServer') as ServiceIdentifier<NotifierServer>,
} as const;

/** Returns the consumer group of one process. */
export function notifierGroup(topicPrefix: string, instanceId: string): string {
  return `${ownGroupPrefix(topicPrefix, 'notifier')}${instanceId}`;
}

/**
 * Connects to everything that notifier needs, waits for what is absent, and wires the parts: the
 * composition root.
 *
 * @param measured records the work. By default nothing reads it.
 */
export async function createContainer(
  config: NotifierConfig,
  context: ServiceContext,
  measured: NotifierMetrics = createNotifierMetrics(config, context.health),
): Promise<Container> {
  const { log, health, dependencies, releasers, fail } = context;
  const database = await openDatabase('bulk-notifier', config, [], context);
  const { kafka, topics, codec } = await openMessaging('notifier', config, context);

  // Notifier works without Redis. Then it counts frames by itself.
  const redis = connectRedisInBackground(config, config.WS_RATE_LIMIT_TIMEOUT_MS, log);
  releasers.push(REDIS, () => redis.disconnect());

  const container = new Container({ defaultScope: 'Singleton' });
  container.bind(TOKENS.groupId).toConstantValue(notifierGroup(config.TOPIC_PREFIX, randomUUID()));
  container.bind(TOKENS.hub).toDynamicValue(() => new SubscriptionHub());
  container.bind(TOKENS.snapshots).toDynamicValue(() => new Snapshots(database));
  container.bind(TOKENS.newcomers).toDynamicValue(
    (resolution) =>
      new Newcomers({
        hub: resolution.get(TOKENS.hub),
        snapshots: resolution.get(TOKENS.snapshots),
        maxWaiting: config.MAX_ACCOUNT_ACTIONS,
        log,
      }),
  );
  container.bind(TOKENS.resync).toDynamicValue(
    (resolution) =>
      new Resync({
        hub: resolution.get(TOKENS.hub),
        snapshots: resolution.get(TOKENS.snapshots),
        dependencies,
        intervalMs: config.RESYNC_MS,
        maxAccountActions: config.MAX_ACCOUNT_ACTIONS,
        log,
      }),
  );
  container
    .bind(TOKENS.webhooks)
    .toDynamicValue(() => createWebhookDelivery(config, database, context, measured.webhooks));
  container.bind(TOKENS.feed).toDynamicValue((resolution) => {
    const hub = resolution.get(TOKENS.hub);
    const resync = resolution.get(TOKENS.resync);
    const webhooks = resolution.get(TOKENS.webhooks);
    return new ProgressFeed({
      kafka,
      codec,
      topic: topics.progress,
      groupId: resolution.get(TOKENS.groupId),
      config,
      publish: (progress) => {
        hub.publish(progress);
        measured.progressed((Date.now() - progress.updatedAt) / 1_000);
        if (isFinal(progress.status)) webhooks.wake();
      },
      onPositioned: () => resync.request(),
      onCrash: fail,
      health,
      instruments: {
        recorder: measured.consumer,
        lag: measured.lag,
        lagIntervalMs: config.KAFKA_LAG_INTERVAL_MS,
      },
      log,
    });
  });
  container.bind(TOKENS.server).toDynamicValue(
    (resolution) =>
      new NotifierServer({
        settings: {
          hub: resolution.get(TOKENS.hub),
          snapshots: resolution.get(TOKENS.snapshots),
          newcomers: resolution.get(TOKENS.newcomers),
          finished: new FinishedActions(config.MAX_ACCOUNT_ACTIONS),
          scheduler: systemScheduler,
          now: () => new Date(),
          intervalMs: 1_000 / config.PROGRESS_HZ,
          maxSubscriptions: config.MAX_SUBSCRIPTIONS,
          maxAccountActions: config.MAX_ACCOUNT_ACTIONS,
          snapshotIntervalMs: config.SNAPSHOT_INTERVAL_MS,
          budget: new SubscriptionBudget({
            perAccount: config.MAX_ACCOUNT_SUBSCRIPTIONS,
            total: config.MAX_TOTAL_SUBSCRIPTIONS,
          }),
          buffered: new BufferedBytes({
            perConnection: config.MAX_BUFFERED_BYTES,
            total: config.MAX_TOTAL_BUFFERED_BYTES,
          }),
          frameLimit: new FrameLimit({
            redis,
            prefix: config.REDIS_PREFIX,
            max: config.WS_RATE_LIMIT_MAX,
            unnamedMax: config.WS_RATE_LIMIT_UNNAMED_MAX,
            windowMs: config.WS_RATE_LIMIT_WINDOW_MS,
            now: () => systemScheduler.now(),
            log,
          }),
          recorder: measured.connections,
          log,
        },
        authenticator: createAuthenticator(config, log),
        maxConnections: config.MAX_CONNECTIONS,
        maxAccountConnections: config.MAX_ACCOUNT_CONNECTIONS,
        maxUnnamedConnections: config.MAX_UNNAMED_CONNECTIONS,
        subscribeTimeoutMs: config.SUBSCRIBE_TIMEOUT_MS,
        allowedOrigins: allowedOriginsOf(config),
        http: {
          requestTimeoutMs: config.HEADERS_TIMEOUT_MS,
          headersTimeoutMs: config.HEADERS_TIMEOUT_MS,
          keepAliveTimeoutMs: KEEP_ALIVE_MS,
          maxHeaderBytes: config.MAX_HEADER_BYTES,
        },
        maxMessageBytes: config.MAX_MESSAGE_BYTES,
        heartbeatMs: config.HEARTBEAT_MS,
        closeTimeoutMs: config.CLOSE_TIMEOUT_MS,
        log,
      }),
  );
  return container;
}

/** The ports of a started notifier. */
export interface NotifierPorts {
  readonly port: number;
  readonly adminPort: number;
}

/** Starts notifier. Resolves when it accepts connections and receives every event. */
export async function startNotifier(
  config: Readonly<NotifierConfig>,
  context: ServiceContext,
): Promise<NotifierPorts> {
  const { log, health, releasers } = context;
  health.set('websocket', 'waiting');
  health.keepReadiness();
  const measured = createNotifierMetrics(config, health);
  const admin = await startAdminServer(config, { health, metrics: measured.metrics, log });
  releasers.push('admin server', () => admin.close());

  const container = await createContainer(config, context, measured);
  const resync = container.get(TOKENS.resync);
  releasers.push('resync', () => resync.stop());
  resync.start();
  const webhooks = container.get(TOKENS.webhooks);
  releasers.push('webhooks', () => webhooks.stop());
  webhooks.start();
  const feed = container.get(TOKENS.feed);
  releasers.push('progress feed', (limitMs) => feed.stop(limitMs));
  await openDependency(PROGRESS_FEED, () => feed.start(), context);
  const server = container.get(TOKENS.server);
  const hub = container.get(TOKENS.hub);
  measured.watch({ connections: () => server.size, subscriptions: () => hub.sizes });
  releasers.push('websocket', () => server.close());
  const port = await server.listen({ host: config.HOST, port: config.PORT });
  health.set('websocket', 'ready');
  log.info({ port, adminPort: admin.port }, 'Service ready');
  return { port, adminPort: admin.port };
}
