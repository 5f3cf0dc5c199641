import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delay } from '@bulk/runtime';
import { probeReadiness } from '@bulk/tools';

/** A pod behind the load balancer. */
export interface Endpoint {
  readonly url: string;
  /** Port of its `/readyz`. */
  readonly adminPort: number;
}

interface Watched extends Endpoint {
  /** Number of probes in a row that found it not ready. */
  failures: number;
}

/** Header of an answer that no endpoint has given. */
export const BARE = 'x-bare';
/** One connection for each request: a request that meets the end of an idle connection is no answer of an intake. */
const LAST = { connection: 'close' } as const;
/** As in the manifests, but quicker: an outage of a moment counts. */
const PERIOD_MS = 200;
/** Number of failed probes in a row after which an endpoint gets no more requests. */
export const FAILURES = 2;

/**
 * Forwards requests to the endpoints that are ready, as a Service of Kubernetes with an ingress in
 * front does.
 *
 * It polls `/readyz` of each endpoint and leaves out an endpoint after two failures in a row.
 * Without endpoints it answers a bare 503, and where an endpoint breaks the connection a bare 502.
 */
export class LoadBalancer {
  readonly #endpoints: readonly Watched[];
  readonly #server: Server;
  readonly #stopping = new AbortController();
  readonly #probes: Promise<unknown>;
  #turn = 0;
  #rounds = 0;

  private constructor(endpoints: readonly Endpoint[]) {
    this.#endpoints = endpoints.map((endpoint) => ({ ...endpoint, failures: 0 }));
    this.#server = createServer((incoming, answer) => this.#forward(incoming, answer));
    this.#probes = Promise.all(this.#endpoints.map((endpoint) => this.#follow(endpoint)));
  }

  static async start(endpoints: readonly Endpoint[]): Promise<LoadBalancer> {
    const balancer = new LoadBalancer(endpoints);
    balancer.#server.listen(0, '127.0.0.1');
    await once(balancer.#server, 'listening');
    return balancer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Number of endpoints that get requests. */
  get size(): number {
    return this.#ready.length;
  }

  /** Number of probes so far, of all endpoints. */
  get probes(): number {
    return this.#rounds;
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#probes;
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  get #ready(): Watched[] {
    return this.#endpoints.filter(({ failures }) => failures < FAILURES);
  }

  async #follow(endpoint: Watched): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const isReady = (await probeReadiness(endpoint.adminPort)) === 'ready';
      endpoint.failures = isReady ? 0 : endpoint.failures + 1;
      this.#rounds += 1;
      await delay(PERIOD_MS, signal);
    }
  }

  #forward(incoming: IncomingMessage, answer: ServerResponse): void {
    const ready = this.#ready;
    const endpoint = ready[this.#turn++ % ready.length];
    if (endpoint === undefined) {
      bare(answer, 503);
      return;
    }
    const { method, headers, url = '/' } = incoming;
    const forwarded = request(new URL(url, endpoint.url), { method, headers, agent: false }, (response) => {
      answer.writeHead(response.statusCode ?? 502, { ...response.headers, ...LAST });
      response.pipe(answer);
    });
    forwarded.on('error', () => (answer.headersSent ? answer.destroy() : bare(answer, 502)));
    incoming.pipe(forwarded);
  }
}

function bare(answer: ServerResponse, status: number): void {
  answer
    .writeHead(status, { 'content-type': 'text/html', [BARE]: 'true', ...LAST })
    .end('<html>Unavailable</html>');
}
