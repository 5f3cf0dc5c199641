import type { ActionRegistry } from '@bulk/actions';
import { startAdminServer, type ServiceContext } from '@bulk/runtime';
import type { Container } from 'inversify';
import cron from 'node-cron';
import type { IntakeConfig } from './config.ts';
import { findUnfinishedActions } from './actions/unfinished-actions.ts';
import { createContainer, TOKENS, type ContainerOptions } from './container.ts';
import type { Dispatcher } from './dispatch/dispatcher.ts';
import { startHttpServer } from './http/server.ts';
import { createIntakeMetrics } from './metrics.ts';

/** Once a minute is often enough to clean up. */
const JANITOR_CRON = '* * * * *';

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
  options?: ContainerOptions,
): Promise<IntakePorts> {
  const { log, health, releasers } = context;
  health.set('http', 'waiting');
  const measured = createIntakeMetrics(config, health);
  const admin = await startAdminServer(config.ADMIN_PORT, { health, metrics: measured.metrics, log });
  releasers.push('admin server', () => admin.close());

  const container = await createContainer(config, context, registry, measured, options);
  const dispatcher = container.get(TOKENS.dispatcher);
  releasers.push('dispatcher', () => dispatcher.stop());
  const database = container.get(TOKENS.database);
  measured.watch({
    dispatch: () => dispatcher.inFlight,
    unfinished: () => findUnfinishedActions(database, new Date()),
  });
  schedule(config, context, dispatcher, container);

  const handle = container.get(TOKENS.app).callback();
  const server = await startHttpServer(
    {
      port: config.PORT,
      requestTimeoutMs: config.REQUEST_TIMEOUT_MS,
      headersTimeoutMs: config.HEADERS_TIMEOUT_MS,
      keepAliveTimeoutMs: config.KEEP_ALIVE_TIMEOUT_MS,
      maxHeaderBytes: config.MAX_HEADER_BYTES,
    },
    (request, response) => void handle(request, response),
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
  container: Container,
): void {
  const janitor = container.get(TOKENS.janitor);
  const sweeper = container.get(TOKENS.gapSweeper);
  const later = (work: () => Promise<unknown>, message: string) => async (): Promise<void> => {
    await work().catch((error: unknown) => log.warn({ err: error }, message));
  };
  const tasks = [
    cron.schedule(config.DISPATCH_CRON, () => dispatcher.wake(), { noOverlap: true }),
    cron.schedule(
      JANITOR_CRON,
      later(() => janitor.sweep(), 'the janitor comes again later'),
      { noOverlap: true },
    ),
    cron.schedule(
      config.GAP_SWEEP_CRON,
      later(() => sweeper.sweep(), 'the search for missing batches is repeated later'),
      { noOverlap: true },
    ),
  ];
  releasers.push('schedules', async () => {
    for (const task of tasks) await task.destroy();
  });
}
