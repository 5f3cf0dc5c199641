import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ActionView, LogEntry } from '@bulk/contracts';
import { BulkClient, type BulkClientOptions } from '../src/client.ts';

export const ID = '01920f5e-7b2a-7c3d-8e4f-5a6b7c8d9e0f';
const AT = '2026-11-24T10:00:00.000Z';

export interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** The answers of the API. A function writes the answer itself, and undefined means silence. */
export type Told =
  | { status?: number; headers?: Record<string, string>; body: unknown }
  | ((response: ServerResponse) => void)
  | undefined;

let server: Server | undefined;

/** Ends the API of the test. */
export function stopApi(): void {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
}

/** An API that gives scripted answers, and a client of it; `asked` are the client's requests. */
export async function givenApi(
  answer: (asked: Asked, request: IncomingMessage) => Told,
  options: Partial<BulkClientOptions> = {},
) {
  const asked: Asked[] = [];
  const running = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const url = new URL(request.url!, 'http://host');
      const body = Buffer.concat(parts).toString();
      const one = { method: request.method!, url, headers: request.headers, body };
      asked.push(one);
      const told = answer(one, request);
      if (told === undefined) return;
      if (typeof told === 'function') {
        told(response);
        return;
      }
      response.writeHead(told.status ?? 200, { 'content-type': 'application/json', ...told.headers });
      response.end(typeof told.body === 'string' ? told.body : JSON.stringify(told.body));
    });
  });
  server = running;
  await new Promise<void>((resolve) => running.listen(0, resolve));
  const baseUrl = `http://127.0.0.1:${(running.address() as AddressInfo).port}/api/`;
  const client = new BulkClient({
    baseUrl,
    accountId: 'acme',
    requestTimeoutMs: 5_000,
    retry: { initialDelayMs: 1, maxDelayMs: 2 },
    ...options,
  });
  return { asked, client };
}

/** An action as the API shows it. */
export const view: ActionView = {
  actionId: ID,
  accountId: 'acme',
  actionType: 'update',
  entityType: 'contact',
  priority: 'normal',
  config: {},
  dryRun: false,
  matchBy: null,
  retry: null,
  retryOf: null,
  changes: 'none',
  undoOf: null,
  filter: null,
  filterPlan: null,
  callbackUrl: null,
  callback: null,
  cancelling: false,
  maxFailures: null,
  onMaxFailures: null,
  reason: null,
  status: 'pending',
  total: 1,
  processed: 0,
  success: 0,
  failure: 0,
  skipped: 0,
  percent: 0,
  effects: { created: 0, updated: 0, unchanged: 0, deleted: 0 },
  scheduledFor: null,
  createdAt: AT,
  queuedAt: null,
  startedAt: null,
  finishedAt: null,
};

/** One row of the logs. */
export function entry(position: number): LogEntry {
  return {
    position,
    entityId: `e${position}`,
    ref: null,
    status: 'success',
    code: null,
    message: null,
    attempts: 1,
    at: AT,
    effect: 'updated',
    version: null,
    changes: null,
  };
}
