import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Health } from './health.ts';

export interface AdminServer {
  /** The port it listens on. */
  readonly port: number;
  close(): Promise<void>;
}

/** What `/metrics` answers from. */
export interface MetricsSource {
  readonly contentType: string;
  /** Everything that is measured, as text. */
  expose(): Promise<string>;
}

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/**
 * Serves a service's own state on a port of its own, away from its users: `/livez` (200 while the event loop turns),
 * `/readyz` (200, or 503 with what it waits for) and `/metrics`.
 *
 * @param port 0 for any free one.
 */
export async function startAdminServer(
  port: number,
  health: Health,
  metrics: MetricsSource,
): Promise<AdminServer> {
  const server = createServer((request, response) => {
    void answerTo(request.url?.split('?')[0], health, metrics).then(({ status, contentType, body }) => {
      response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' });
      response.end(body);
    });
  });
  await listen(server, port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Never rejects. */
async function answerTo(path: string | undefined, health: Health, metrics: MetricsSource): Promise<Answer> {
  switch (path) {
    case '/livez':
      return json(200, { live: true });
    case '/readyz':
      return json(health.ready ? 200 : 503, health.report());
    case '/metrics':
      try {
        return { status: 200, contentType: metrics.contentType, body: await metrics.expose() };
      } catch (error) {
        return json(500, { error: error instanceof Error ? error.message : String(error) });
      }
    default:
      return json(404, { error: 'expected /livez, /readyz or /metrics' });
  }
}

function json(status: number, body: unknown): Answer {
  return { status, contentType: 'application/json', body: JSON.stringify(body) };
}

/** Starts to listen; rejects when the port is refused. */
export function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
