import { GuardedServer, type HttpHandler, type Logger, type ServerLimits } from '@bulk/runtime';

export interface HttpServerOptions extends ServerLimits {
  /** 0 for any free one. */
  readonly port: number;
  /** Longest time that a stop waits for the requests under way, in ms. */
  readonly closeTimeoutMs: number;
  readonly log: Logger;
}

export interface HttpServer {
  readonly port: number;
  /**
   * Takes no new connection, answers the requests under way and closes each connection after its answer. What is left after
   * `closeTimeoutMs` is cut off.
   */
  close(): Promise<void>;
}

/** Serves the REST API with bounds on what a client may send and on how long it may take. */
export async function startHttpServer(
  { port, closeTimeoutMs, ...options }: HttpServerOptions,
  handle: HttpHandler,
): Promise<HttpServer> {
  const server = new GuardedServer({ ...options, handle });
  return { port: await server.listen(port), close: () => server.close(closeTimeoutMs) };
}
