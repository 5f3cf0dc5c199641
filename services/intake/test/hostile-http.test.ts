import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { failureSchema } from '@bulk/contracts';
import { HOSTILE_REQUESTS, rawRequest, TestInstallation } from '@bulk/testing';
import { startIntakeProcess, type IntakeProcess } from './process.ts';

let installation: TestInstallation;
let intake: IntakeProcess;
beforeAll(async () => {
  installation = await TestInstallation.create('intake');
  intake = await startIntakeProcess(installation, { HEADERS_TIMEOUT_MS: '500', REQUEST_TIMEOUT_MS: '1000' });
});
afterAll(() => installation.dispose());

async function expectIntakeAnswers(): Promise<void> {
  expect(intake.child.exitCode).toBeNull();
  const { status } = await fetch(`${intake.url}/bulk-actions/7`, { headers: { 'x-account-id': 'acme' } });
  expect(status).toBe(400);
}

/** Builds a request to a route whose answer has a body. */
function request(path: string, lines: readonly string[] = []): string {
  return [`GET ${path} HTTP/1.1`, 'host: h', 'x-account-id: acme', ...lines, '', ''].join('\r\n');
}

function post(lines: readonly string[], body: string): string {
  const head = ['POST /bulk-actions HTTP/1.1', 'host: h', 'x-account-id: acme', ...lines];
  return `${[...head, `content-length: ${body.length}`, '', ''].join('\r\n')}${body}`;
}

describe('intake as a process', () => {
  it.each(HOSTILE_REQUESTS)('survives $what and refuses it in the envelope', async ({ bytes, status }) => {
    const answer = await rawRequest(intake.port, bytes);
    expect(failureSchema.safeParse(answer.body).error?.issues ?? []).toEqual([]);
    expect(status).toContain(answer.status);
    await expectIntakeAnswers();
  });

  const JSON_TYPE = 'content-type: application/json';
  it.each([
    ['an invalid escape in an id', request('/bulk-actions/%E0%A4%A')],
    ['an invalid escape in a query', request('/bulk-actions?limit=%E0%A4%A')],
    ['__proto__ as a query key', request('/bulk-actions?__proto__=1')],
    ['a repeated parameter', request('/bulk-actions?limit=1&limit=2')],
    ['a repeated account', request('/bulk-actions', ['x-account-id: other'])],
    ['an account with non-ASCII bytes', request('/bulk-actions', ['x-account-id: \u00ff'])],
    ['a thousand parameters', request(`/bulk-actions?${'a&'.repeat(1_000)}`)],
    ['an invalid content type', post(['content-type: ///;;=;\u00ff'], '{}')],
    ['a repeated content type', post([JSON_TYPE, 'content-type: text/csv'], '{')],
    ['an encoding with non-ASCII bytes', post([JSON_TYPE, 'content-encoding: \u00ff'], '{}')],
    ['an idempotency key with non-ASCII bytes', post([JSON_TYPE, 'idempotency-key: \u00ff'], '{}')],
    ['two idempotency keys', post([JSON_TYPE, 'idempotency-key: a', 'idempotency-key: b'], '{}')],
    ['a body without a type', post([], 'x')],
  ])('answers %s with a refusal of 4xx', async (_what, bytes) => {
    const answer = await rawRequest(intake.port, bytes);
    expect(failureSchema.safeParse(answer.body).error?.issues ?? []).toEqual([]);
    expect(String(answer.status)).toMatch(/^4/);
    await expectIntakeAnswers();
  });

  it('accepts an absolute request target, as proxies send it', async () => {
    const answer = await rawRequest(intake.port, request('http://h/bulk-actions/7'));
    expect(answer.body).toMatchObject({ error: { code: 'INVALID_ID' } });
  });

  it('answers requests of an account with no-store, and varies by account and token', async () => {
    for (const path of ['/bulk-actions', '/bulk-actions/7', '/webhook-secret']) {
      const { headers } = await fetch(`${intake.url}${path}`, { headers: { 'x-account-id': 'acme' } });
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('vary')).toBe('x-account-id, authorization');
    }
  });

  it('stops in order while refused connections are open', async () => {
    const { port } = intake;
    await Promise.all(Array.from({ length: 20 }, () => rawRequest(port, 'hello\r\n\r\n')));
    const hanging = rawRequest(port, 'GET / HTTP/1.1\r\n', { until: () => false });
    intake.child.kill('SIGTERM');
    expect(await intake.exited).toBe(0);
    await hanging;
  });
});
