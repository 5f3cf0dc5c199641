import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadConfig, silentLogger } from '@bulk/runtime';
import type { Admin } from 'kafkajs';
import { createKafka } from './client.ts';
import { kafkaConfigSchema } from './config.ts';

/** kafkajs authenticates again 10 s before a session ends. */
const SESSION_MS = 10_100;
const [METADATA, SASL_HANDSHAKE, API_VERSIONS, SASL_AUTHENTICATE] = [3, 17, 18, 36];

/** Each authentication: the connection and the token. */
let sessions: { readonly connection: number; readonly token: string }[];
let connections: number;
let tokens: number;
let endpointFails: boolean;
/** Resolves when the endpoint has refused a token. */
let refused: Promise<void>;
let broker: Server;
let endpoint: HttpServer;
let admin: Admin;
const sockets = new Set<Socket>();

beforeEach(async () => {
  [sessions, connections, tokens, endpointFails] = [[], 0, 0, false];
  broker = createServer(serve);
  let refuse: () => void;
  refused = new Promise((resolve) => (refuse = resolve));
  endpoint = createHttpServer((_, response) => {
    tokens += 1;
    if (endpointFails) response.writeHead(503).end(refuse);
    // Without a lifetime, a token serves one authentication.
    else response.end(JSON.stringify({ access_token: `token-${tokens}`, token_type: 'Bearer' }));
  });
  const [brokerPort, endpointPort] = [await listen(broker), await listen(endpoint)];
  const config = loadConfig(kafkaConfigSchema, {
    KAFKA_BROKERS: `127.0.0.1:${brokerPort}`,
    KAFKA_SASL_MECHANISM: 'oauthbearer',
    KAFKA_SASL_TOKEN_URL: `http://127.0.0.1:${endpointPort}/token`,
    KAFKA_SASL_CLIENT_ID: 'bulk',
    KAFKA_SASL_CLIENT_SECRET: 'secret',
  });
  admin = createKafka('oauth', config, silentLogger()).admin({ retry: { retries: 0 } });
});
afterEach(async () => {
  await admin.disconnect().catch(() => undefined);
  for (const socket of sockets) socket.destroy();
  endpoint.closeAllConnections();
  await Promise.all([broker, endpoint].map((server) => new Promise((resolve) => server.close(resolve))));
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const int16 = (value: number): Buffer => {
  const buffer = Buffer.alloc(2);
  buffer.writeInt16BE(value);
  return buffer;
};
const int32 = (value: number): Buffer => {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
};
const text = (value: string): Buffer => Buffer.concat([int16(value.length), Buffer.from(value)]);

/** A broker that requires a token, and gives it a session of `SESSION_MS`. */
function serve(socket: Socket): void {
  sockets.add(socket);
  connections += 1;
  const connection = connections;
  let received = Buffer.alloc(0);
  socket.on('error', () => undefined);
  socket.on('data', (data: Buffer) => {
    received = Buffer.concat([received, data]);
    while (received.length >= 4 && received.length >= 4 + received.readInt32BE()) {
      const size = received.readInt32BE();
      const request = received.subarray(4, 4 + size);
      received = received.subarray(4 + size);
      const answer = Buffer.concat([request.subarray(4, 8), answerTo(request, connection)]);
      socket.write(Buffer.concat([int32(answer.length), answer]));
    }
  });
}

function answerTo(request: Buffer, connection: number): Buffer {
  switch (request.readInt16BE()) {
    case API_VERSIONS: {
      const versions = [
        [METADATA, 1],
        [SASL_HANDSHAKE, 1],
        [API_VERSIONS, 1],
        [SASL_AUTHENTICATE, 1],
      ] as const;
      const entries = versions.flatMap(([key, version]) => [int16(key), int16(0), int16(version)]);
      return Buffer.concat([int16(0), int32(versions.length), ...entries, int32(0)]);
    }
    case SASL_HANDSHAKE:
      return Buffer.concat([int16(0), int32(1), text('OAUTHBEARER')]);
    case SASL_AUTHENTICATE: {
      const token = /auth=Bearer ([\w-]+)/.exec(request.toString('latin1'))?.[1] ?? 'none';
      sessions.push({ connection, token });
      return Buffer.concat([int16(0), int16(-1), int32(0), int32(0), int32(SESSION_MS)]);
    }
    default:
      // Metadata: this broker, which is the controller, and no topics.
      return Buffer.concat([
        ...[int32(1), int32(1), text('127.0.0.1'), int32((broker.address() as AddressInfo).port)],
        ...[int16(-1), int32(1), int32(0)],
      ]);
  }
}

/** Asks until `done` holds. */
async function askUntil(done: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 10_000; !done();) {
    if (performance.now() > deadline) throw new Error(`not in time: ${JSON.stringify(sessions)}`);
    await admin.describeCluster().catch(() => undefined);
  }
}

describe('an open connection with OAuth tokens', () => {
  it('gets a new token before its session ends', async () => {
    await admin.connect();
    await askUntil(() => sessions.length >= 3);
    expect(sessions.slice(0, 3)).toEqual(
      [1, 2, 3].map((number) => ({ connection: 1, token: `token-${number}` })),
    );
  });

  it('is closed while there is no new token, and opened again afterwards', async () => {
    await admin.connect();
    endpointFails = true;
    const asking = askUntil(() => sessions.length > 1);
    await refused;
    endpointFails = false;
    await asking;
    expect(sessions[1]?.connection).toBeGreaterThan(1);
    expect(await admin.describeCluster()).toMatchObject({ controller: 1 });
  });
});
