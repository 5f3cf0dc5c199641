import { createServer, type IncomingHttpHeaders, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { SELF_SIGNED } from './self-signed.ts';

/** A webhook as it arrived. */
export interface ReceivedWebhook {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/**
 * Answers the request with this number, starting at 1. A function that does nothing leaves the
 * request unanswered.
 */
export type Answer = (response: ServerResponse, count: number) => void;

/** A local receiver of webhooks. */
export class Receiver {
  readonly received: ReceivedWebhook[] = [];
  /** Number of connections that were ever opened, whatever was sent over them. */
  connections = 0;
  answer: Answer;
  readonly #server: ReturnType<typeof createServer> | ReturnType<typeof createTlsServer>;
  readonly #tls: boolean;

  private constructor(answer: Answer, tls: boolean) {
    this.answer = answer;
    this.#tls = tls;
    const listener: RequestListener = (request, response) => {
      let body = '';
      request.setEncoding('utf8');
      request.on('data', (part: string) => (body += part));
      request.on('end', () => {
        const { method = '', url = '', headers } = request;
        this.received.push({ method, url, headers: flat(headers), body });
        this.answer(response, this.received.length);
      });
    };
    this.#server = tls ? createTlsServer(SELF_SIGNED, listener) : createServer(listener);
    this.#server.on('connection', () => (this.connections += 1));
  }

  /** @param port 0 for any free port. */
  static async start(answer: Answer = status(204), port = 0, tls = false): Promise<Receiver> {
    const receiver = new Receiver(answer, tls);
    await new Promise<void>((resolve, reject) => {
      receiver.#server.once('error', reject);
      receiver.#server.listen(port, '127.0.0.1', resolve);
    });
    return receiver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return this.#tls ? `https://localhost:${this.port}/` : `http://127.0.0.1:${this.port}/hook?token=t`;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

/** Answers with the same status each time. */
export function status(code: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return (response) => response.writeHead(code, headers).end();
}

function flat(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}
