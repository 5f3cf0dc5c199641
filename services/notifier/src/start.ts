import { openDependency, startAdminServer, type ServiceContext } from '@bulk/runtime';
import type { NotifierConfig } from './config.ts';
import { createContainer, TOKENS } from './container.ts';
import { createNotifierMetrics } from './metrics.ts';
import { PROGRESS_FEED } from './progress/progress-feed.ts';

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
  releasers.push('progress feed', () => feed.stop());
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
