import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FailureEnvelope } from '@bulk/contracts';
import type { CodedError } from '@bulk/domain';

/** A refusal over HTTP, in the envelope that REST has. */
export interface Refusal {
  readonly status: number;
  readonly error: CodedError;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers an upgrade request that becomes no WebSocket, and ends its connection. */
export function refuseUpgrade(socket: Duplex, { status, error, headers = {} }: Refusal): void {
  const body = bodyOf(error);
  const lines = Object.entries({
    ...headers,
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.once('finish', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`);
}

/** Answers a plain request. */
export function refuseRequest(response: ServerResponse, { status, error, headers = {} }: Refusal): void {
  response.writeHead(status, { ...headers, 'Content-Type': 'application/json; charset=utf-8' });
  response.end(bodyOf(error));
}

function bodyOf({ code, message, details }: CodedError): string {
  const envelope: FailureEnvelope = {
    success: false,
    error: { code, message, ...(details === undefined ? {} : { details }) },
  };
  return JSON.stringify(envelope);
}
