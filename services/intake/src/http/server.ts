import {
  GuardedServer,
  type HttpHandler,
  type ListenAddress,
  type Logger,
  type ServerLimits,
} from '@bulk/runtime';
import type { CutOff } from './stopping.ts';

export interface HttpServerOptions extends ServerLimits, ListenAddress {
  /** Ends the requests that are still under way after half of the time of a close. */
  readonly cutOff: CutOff;
  readonly log: Logger;
}

export interface HttpServer {
  readonly port: number;
  /**
   * Accepts no new connection, and closes each one after the answer to its request, all of them
   * within `limitMs`.
   */
  close(limitMs: number): Promise<void>;
}

/** Serves the REST API with bounds on what a client may send and on how long it may take. */
export async function startHttpServer(
  { host, port, ...options }: HttpServerOptions,
  handle: HttpHandler,
): Promise<HttpServer> {
  const server = new GuardedServer({ ...options, handle });
  return { port: await server.listen({ host, port }), close: (limitMs) => server.close(limitMs) };
}
