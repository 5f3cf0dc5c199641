import type { ActionRegistry } from '@bulk/action-types';
import { configuredLifetimes, startAdminServer, type ServiceContext } from '@bulk/runtime';
import type { Container } from 'inversify';
import cron from 'node-cron';
import type { IntakeConfig } from './config.ts';
import { findUnfinishedActions } from './dispatch/unfinished-actions.ts';
import { createContainer, TOKENS, type ContainerOptions } from './container.ts';
import type { Dispatcher } from './dispatch/dispatcher.ts';
import { startHttpServer } from './http/server.ts';
import { createIntakeMetrics, type IntakeMetrics } from './metrics.ts';
import type { FirstPositionRelease } from './clean-up/first-position-release.ts';
import type { FirstPositionRenewal } from './clean-up/first-position-renewal.ts';

/**
 * Starting a clean-up once a minute is enough, because it runs until nothing is left to clean up.
 */
const JANITOR_CRON = '* * * * *';
/**
 * Part of the time to stop for which the dispatcher waits for windows under way.
 *
 * After it the dispatcher hands back their leases, too.
 */
const HAND_BACK_PART = 0.3;
/** Redis may hold first positions for up to this interval after they are due. */
const FIRST_POSITIONS_CRON = '*/10 * * * * *';

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
  schedule(config, context, dispatcher, container, measured.swept);
  scheduleFirstPositions(
    context,
    container.get(TOKENS.firstPositionRelease),
    container.get(TOKENS.firstPositionRenewal),
  );

  const handle = container.get(TOKENS.app).callback();
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
    handle,
  );
  releasers.push('http server', (limitMs) => server.close(limitMs));
  const { port } = server;
  health.set('http', 'ready');
  dispatcher.wake();
  log.info({ port, adminPort: admin.port }, 'Service ready');
  return { port, adminPort: admin.port };
}

function schedule(
  config: IntakeConfig,
  { log, releasers }: ServiceContext,
  dispatcher: Dispatcher,
  container: Container,
  swept: IntakeMetrics['swept'],
): void {
  const janitor = container.get(TOKENS.janitor);
  const sweeper = container.get(TOKENS.gapSweeper);
  const stopping = new AbortController();
  let cleanUp = Promise.resolve();
  const later = (work: () => Promise<unknown>, message: string) => async (): Promise<void> => {
    await work().catch((error: unknown) => log.warn({ err: error }, message));
  };
  const tasks = [
    cron.schedule(config.DISPATCH_CRON, () => dispatcher.wake(), { noOverlap: true }),
    cron.schedule(
      JANITOR_CRON,
      () => (cleanUp = later(() => janitor.sweep(stopping.signal), 'Clean-up interrupted')()),
      { noOverlap: true },
    ),
    cron.schedule(
      config.GAP_SWEEP_CRON,
      later(() => swept(() => sweeper.sweep()), 'Search for missing batches interrupted'),
      { noOverlap: true },
    ),
  ];
  releasers.push('schedules', async () => {
    stopping.abort();
    for (const task of tasks) await task.destroy();
    await cleanUp;
  });
}

function scheduleFirstPositions(
  { log, releasers }: ServiceContext,
  release: FirstPositionRelease,
  renewal: FirstPositionRenewal,
): void {
  const warned = (message: string) => (error: unknown) => log.warn({ err: error }, message);
  const task = cron.schedule(
    FIRST_POSITIONS_CRON,
    async () => {
      await renewal.renewIfDue().catch(warned('First positions not renewed; retrying later'));
      await release.sweep().catch(warned('First positions not released; retrying later'));
    },
    { noOverlap: true },
  );
  releasers.push('first positions', async () => {
    await task.destroy();
  });
}
