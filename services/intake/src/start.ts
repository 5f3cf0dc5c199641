import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ActionRegistry } from '@bulk/actions';
import { listen, startAdminServer, type ServiceContext } from '@bulk/runtime';
import cron from 'node-cron';
import type { IntakeConfig } from './config.ts';
import { createContainer, TOKENS } from './container.ts';
import type { Dispatcher } from './dispatch/dispatcher.ts';
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

  const app = container.get(TOKENS.app);
  const handle = app.callback();
  const server = createServer((request, response) => void handle(request, response));
  server.requestTimeout = config.REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = config.KEEP_ALIVE_TIMEOUT_MS;
  await listen(server, config.PORT);
  releasers.push('http server', () => close(server));
  const { port } = server.address() as AddressInfo;
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

/** Lets requests under way finish; idle connections are closed at once, the others after their answer. */
function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}
