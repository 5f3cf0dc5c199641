import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Health } from './health.ts';

export interface AdminServer {
  /** The port it listens on. */
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves a service's own state on a port of its own, away from its users: `/livez` (200 while the event loop turns) and
 * `/readyz` (200, or 503 with what it waits for).
 *
 * @param port 0 for any free one.
 */
export async function startAdminServer(port: number, health: Health): Promise<AdminServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0];
    const [status, body] =
      path === '/livez'
        ? ([200, { live: true }] as const)
        : path === '/readyz'
          ? ([health.ready ? 200 : 503, health.report()] as const)
          : ([404, { error: 'expected /livez or /readyz' }] as const);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
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
