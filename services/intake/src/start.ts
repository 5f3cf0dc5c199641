import type { ActionRegistry } from '@bulk/actions';
import { startAdminServer, type ServiceContext } from '@bulk/runtime';
import cron from 'node-cron';
import type { IntakeConfig } from './config.ts';
import { findUnfinishedActions } from './actions/unfinished-actions.ts';
import { createContainer, TOKENS } from './container.ts';
import type { Dispatcher } from './dispatch/dispatcher.ts';
import { startHttpServer } from './http/server.ts';
import { createIntakeMetrics } from './metrics.ts';
import type { Janitor } from './staging/janitor.ts';

/** Once a minute is often enough to clean up. */
const JANITOR_CRON = '* * * * *';

/** Of the grace time, what a stop waits for requests under way; the rest is for what is closed after the HTTP server. */
const CLOSE_SHARE = 0.5;

/** Where a started intake is reached. */
export interface IntakePorts {
  readonly port: number;
  readonly adminPort: number;
}

/** Starts intake; resolves when the REST API listens. */
export async function startIntake(
  config: Readonly<IntakeConfig>,
  context: ServiceContext,
  registry?: ActionRegistry,
): Promise<IntakePorts> {
  const { log, health, releasers } = context;
  health.set('http', 'waiting');
  const measured = createIntakeMetrics(config, health);
  const admin = await startAdminServer(config.ADMIN_PORT, { health, metrics: measured.metrics, log });
  releasers.push('admin server', () => admin.close());

  const container = await createContainer(config, context, registry, measured);
  const dispatcher = container.get(TOKENS.dispatcher);
  releasers.push('dispatcher', () => dispatcher.stop());
  const database = container.get(TOKENS.database);
  measured.watch({
    dispatch: () => dispatcher.inFlight,
    unfinished: () => findUnfinishedActions(database, new Date()),
  });
  schedule(config, context, dispatcher, container.get(TOKENS.janitor));

  const handle = container.get(TOKENS.app).callback();
  const server = await startHttpServer(
    {
      port: config.PORT,
      requestTimeoutMs: config.REQUEST_TIMEOUT_MS,
      headersTimeoutMs: config.HEADERS_TIMEOUT_MS,
      keepAliveTimeoutMs: config.KEEP_ALIVE_TIMEOUT_MS,
      maxHeaderBytes: config.MAX_HEADER_BYTES,
      maxConnections: config.MAX_CONNECTIONS,
      closeTimeoutMs: config.SHUTDOWN_GRACE_MS * CLOSE_SHARE,
      log,
    },
    handle,
  );
  releasers.push('http server', () => server.close());
  const { port } = server;
  health.set('http', 'ready');
  dispatcher.wake();
  log.info({ port, adminPort: admin.port }, 'ready');
  return { port, adminPort: admin.port };
}

function schedule(
  config: IntakeConfig,
  { log, releasers }: ServiceContext,
  dispatcher: Dispatcher,
  janitor: Janitor,
): void {
  const tasks = [
    cron.schedule(config.DISPATCH_CRON, () => dispatcher.wake(), { noOverlap: true }),
    cron.schedule(
      JANITOR_CRON,
      async () => {
        await janitor
          .sweep()
          .catch((error: unknown) => log.warn({ err: error }, 'the janitor comes again later'));
      },
      { noOverlap: true },
    ),
  ];
  releasers.push('schedules', async () => {
    for (const task of tasks) await task.destroy();
  });
}
