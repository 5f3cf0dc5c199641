import type { IncomingMessage } from 'node:http';
import { messageOf } from '@bulk/domain';
import type { Health } from './health.ts';
import { mayChange, WHO_MAY_CHANGE } from './http/admin-access.ts';
import { GuardedServer, type ServerLimits } from './http/guarded-server.ts';
import { answerLogLevel } from './log-level.ts';
import type { Logger } from './logger.ts';
import { secretOf } from './secrets.ts';

export interface AdminServer {
  /** The port it listens on. */
  readonly port: number;
  close(): Promise<void>;
}

/** The source of the answer of `/metrics`. */
export interface MetricsSource {
  readonly contentType: string;
  /** Returns all measurements as text. */
  expose(): Promise<string>;
}

/** The part of a service's configuration that concerns its admin server. */
export interface AdminServerConfig {
  readonly ADMIN_HOST: string;
  /** 0 selects any free port. */
  readonly ADMIN_PORT: number;
  /** Bearer token that allows other machines to change the log level. */
  readonly ADMIN_TOKEN?: string | undefined;
  readonly ADMIN_TOKEN_FILE?: string | undefined;
}

export interface AdminServerOptions {
  readonly health: Health;
  readonly metrics: MetricsSource;
  /** The logger whose level may be changed. */
  readonly log: Logger;
}

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Probes and scrapes are small, quick and few. */
const LIMITS: ServerLimits = {
  requestTimeoutMs: 10_000,
  headersTimeoutMs: 10_000,
  keepAliveTimeoutMs: 65_000,
  maxHeaderBytes: 16_384,
  maxConnections: 256,
};

/**
 * Serves a service's own state on a port of its own, separate from its users: `/livez` (200 while the event loop
 * turns), `/readyz` (200, or 503 while it is to get no work), `/healthz` (200, or 503 while a component is not ready),
 * `/metrics` and `/log-level`.
 */
export async function startAdminServer(
  config: AdminServerConfig,
  options: AdminServerOptions,
): Promise<AdminServer> {
  const token = secretOf(config, 'ADMIN_TOKEN');
  const server = new GuardedServer({
    ...LIMITS,
    log: options.log,
    handle: async (request, response) => {
      const { status, contentType, body } = await answerTo(request, options, token);
      response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' });
      response.end(body);
    },
  });
  const port = await server.listen({ host: config.ADMIN_HOST, port: config.ADMIN_PORT });
  return { port, close: () => server.close(0) };
}

/** Never rejects. */
async function answerTo(
  request: IncomingMessage,
  { health, metrics, log }: AdminServerOptions,
  token: string | undefined,
): Promise<Answer> {
  switch (request.url?.split('?')[0]) {
    case '/livez':
      return json(200, { live: true });
    case '/readyz':
      return json(health.ready ? 200 : 503, health.report());
    case '/healthz':
      return json(health.healthy ? 200 : 503, health.report());
    case '/metrics':
      try {
        return { status: 200, contentType: metrics.contentType, body: await metrics.expose() };
      } catch (error) {
        return json(500, { error: messageOf(error) });
      }
    case '/log-level':
      if (request.method !== 'GET' && !mayChange(request, token)) return json(403, { error: WHO_MAY_CHANGE });
      try {
        const { status, body } = await answerLogLevel(request, log);
        return json(status, body);
      } catch (error) {
        return json(400, { error: messageOf(error) });
      }
    default:
      return json(404, { error: 'expected /livez, /readyz, /healthz, /metrics or /log-level' });
  }
}

function json(status: number, body: unknown): Answer {
  return { status, contentType: 'application/json', body: JSON.stringify(body) };
}
