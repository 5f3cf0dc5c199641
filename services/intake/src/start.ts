import type { ActionRegistry } from '@bulk/actions';
import { startAdminServer, type ServiceContext } from '@bulk/runtime';
import cron from 'node-cron';
import type { IntakeConfig } from './config.ts';
import { createContainer, TOKENS } from './container.ts';
import type { Dispatcher } from './dispatch/dispatcher.ts';
import { startHttpServer } from './http/server.ts';
import type { Janitor } from './staging/janitor.ts';

/** Once a minute is often enough to clean up. */
const JANITOR_CRON = '* * * * *';

/** Starts intake; resolves with the port of the REST API when it listens. */
export async function startIntake(
  config: Readonly<IntakeConfig>,
  context: ServiceContext,
  registry?: ActionRegistry,
): Promise<number> {
  const { log, health, releasers } = context;
  health.set('http', 'waiting');
  const admin = await startAdminServer(config.ADMIN_PORT, health);
  releasers.push('admin server', () => admin.close());

  const container = await createContainer(config, context, registry);
  const dispatcher = container.get(TOKENS.dispatcher);
  releasers.push('dispatcher', () => dispatcher.stop());
  schedule(config, context, dispatcher, container.get(TOKENS.janitor));

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
  return port;
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
