import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { isRetryable } from '@bulk/domain';
import { KafkaJSNumberOfRetriesExceeded } from 'kafkajs';
import { KafkaUnavailableError } from './errors.ts';
import { OAuthTokens, TokenUnavailableError, type OAuthTokensOptions } from './oauth-tokens.ts';

interface Asked {
  readonly authorization: string | undefined;
  readonly form: string;
}

const SECRET = 'sec:ret-77a1';
let server: Server;
let url: string;
let asked: Asked[];
let answer: (response: ServerResponse) => void;
/** Monotonic and wall clock of the tokens, in ms. */
let clocks: [number, number];

beforeEach(async () => {
  asked = [];
  clocks = [0, 1_000_000];
  answer = token(300);
  server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let form = '';
  for await (const part of request) form += String(part);
  asked.push({ authorization: request.headers.authorization, form });
  answer(response);
}

/** Answers with a token that names the number of the request. */
function token(seconds: number | undefined): (response: ServerResponse) => void {
  return (response) =>
    json(200, { access_token: `token-${asked.length}`, token_type: 'Bearer', expires_in: seconds })(response);
}

function json(status: number, body: unknown): (response: ServerResponse) => void {
  return (response) => void response.writeHead(status).end(JSON.stringify(body));
}

function tokens(options: Partial<OAuthTokensOptions> = {}): OAuthTokens {
  return new OAuthTokens({
    url,
    clientId: 'bulk',
    clientSecret: SECRET,
    scope: undefined,
    timeoutMs: 10_000,
    clocks: [() => clocks[0], () => clocks[1]],
    ...options,
  });
}

/** The error of kafkajs after its last try. */
const exceeded = (error: Error): Error =>
  new KafkaJSNumberOfRetriesExceeded(error, { retryCount: 8, retryTime: 1 });

function pass(ms: number): void {
  clocks = [clocks[0] + ms, clocks[1] + ms];
}

/** Waits for the request that `get` makes in the background. */
async function settled(own: OAuthTokens, value: string): Promise<void> {
  for (const deadline = performance.now() + 10_000; (await own.get()) !== value;) {
    if (performance.now() > deadline) throw new Error(`${value} did not become the token`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('OAuth tokens', () => {
  it('are requested with the credentials of the client and the scope', async () => {
    expect(await tokens({ scope: 'kafka read' }).get()).toBe('token-1');
    const basic = Buffer.from(`bulk:${encodeURIComponent(SECRET)}`).toString('base64');
    expect(asked).toEqual([
      { authorization: `Basic ${basic}`, form: 'grant_type=client_credentials&scope=kafka+read' },
    ]);
  });

  it('are shared by all connections, with one request at a time', async () => {
    const own = tokens();
    const values = await Promise.all([own.get(), own.get(), own.get()]);
    expect([...values, await own.get()]).toEqual(['token-1', 'token-1', 'token-1', 'token-1']);
    expect(asked).toHaveLength(1);
  });

  it('are replaced in the last fifth of their lifetime while they are still used', async () => {
    const own = tokens();
    await own.get();
    pass(239_000);
    expect(await own.get()).toBe('token-1');
    expect(asked).toHaveLength(1);
    pass(2_000);
    expect(await own.get()).toBe('token-1');
    await settled(own, 'token-2');
    expect(asked).toHaveLength(2);
  });

  it.each([0, 1])('are not used shortly before they expire by clock %d', async (i) => {
    const own = tokens();
    await own.get();
    clocks[i] = (clocks[i] ?? 0) + 286_000;
    expect(await own.get()).toBe('token-2');
  });

  it('without a lifetime are used once', async () => {
    answer = token(undefined);
    const own = tokens();
    expect([await own.get(), await own.get()]).toEqual(['token-1', 'token-2']);
  });

  it('stay in use while the endpoint fails, until they expire', async () => {
    const own = tokens();
    await own.get();
    answer = json(503, {});
    pass(250_000);
    expect(await own.get()).toBe('token-1');
    pass(30_000);
    expect(await own.get()).toBe('token-1');
    pass(10_000);
    await expect(own.get()).rejects.toThrow('status 503');
    answer = token(300);
    pass(1_000);
    expect(await own.get()).toMatch(/^token-\d$/);
  });

  it('are not requested again within a second after a failure', async () => {
    answer = json(503, {});
    const own = tokens();
    await expect(own.get()).rejects.toThrow('status 503');
    answer = token(300);
    pass(999);
    await expect(own.get()).rejects.toThrow('status 503');
    expect(asked).toHaveLength(1);
    pass(1);
    expect(await own.get()).toBe('token-2');
  });
});

describe('a token endpoint that fails', () => {
  const LEAK = 'leak-51c9';
  const BEARER = { access_token: LEAK, token_type: 'Bearer' };

  it.each<[string, (response: ServerResponse) => void, string, string]>([
    [
      'refuses the client',
      json(401, { error: 'invalid_client', hint: LEAK }),
      'authentication',
      'status 401, invalid_client',
    ],
    ['refuses the scope', json(400, { error: LEAK }), 'authentication', 'status 400'],
    ['has no room', json(429, {}), 'quota', 'status 429'],
    ['is down behind a proxy', json(502, LEAK), 'unreachable', 'status 502'],
    ['redirects', (to) => void to.writeHead(302, { location: '/token' }).end(), 'unknown', 'status 302'],
    ['answers with no JSON', (to) => void to.end(`<${LEAK}>`), 'unknown', 'expected a JSON object'],
    [
      'answers with another type',
      json(200, { ...BEARER, token_type: LEAK }),
      'unknown',
      'expected token_type',
    ],
    [
      'answers with separators',
      json(200, { ...BEARER, access_token: `${LEAK}\u0001` }),
      'unknown',
      'expected access_token',
    ],
    ['answers with no time', json(200, { ...BEARER, expires_in: LEAK }), 'unknown', 'expected expires_in'],
    ['closes the connection', (to) => void to.destroy(), 'unreachable', 'no answer (UND_ERR_SOCKET)'],
  ])('because it %s is an outage of Kafka and reveals nothing', async (_, fails, fault, reason) => {
    answer = fails;
    const error: unknown = await tokens()
      .get()
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TokenUnavailableError);
    expect(error).toMatchObject({ code: 'KAFKA_TOKEN_UNAVAILABLE', retryable: true, retriable: true, fault });
    expect(isRetryable(error)).toBe(true);
    for (const seen of [error, exceeded(error as Error)])
      expect(new KafkaUnavailableError(seen)).toMatchObject({ fault, retryable: true });
    expect(String(error)).toContain(reason);
    expect(`${String(error)}${JSON.stringify(error)}`).not.toMatch(/leak-51c9|sec(:|%3A)ret/);
  });

  it('because it does not answer in time is an outage of Kafka', async () => {
    answer = () => undefined;
    await expect(tokens({ timeoutMs: 50 }).get()).rejects.toThrow('no answer (within 50 ms)');
  });

  it('because nobody listens is an outage of Kafka', async () => {
    await new Promise((resolve) => server.close(resolve));
    await expect(tokens().get()).rejects.toThrow('no answer (ECONNREFUSED)');
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
});
