import { request, type IncomingHttpHeaders } from 'node:http';
import { failureSchema } from '@bulk/contracts';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly error: { readonly code: string; readonly message: string };
}

export const UPGRADE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
};

/** Sends a request that must not become a WebSocket. @returns the answer. */
export function ask(port: number, path: string, headers: Record<string, string>): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: '127.0.0.1', path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => (text += part));
      response.on('end', () => {
        const { error } = failureSchema.parse(JSON.parse(text));
        resolve({ status: response.statusCode!, headers: response.headers, error });
      });
    });
    asked.on('upgrade', (_response, socket) => {
      socket.destroy();
      reject(new Error('it became a WebSocket'));
    });
    asked.on('error', reject);
    asked.end();
  });
}
