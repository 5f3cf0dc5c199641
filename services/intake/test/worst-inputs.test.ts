import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { TestInstallation } from '@bulk/testing';
import { startIntakeProcess, type IntakeProcess } from './process.ts';

jest.setTimeout(300_000);

const HEAP_MB = 256;
const ROWS = 100_000;

let installation: TestInstallation;
let intake: IntakeProcess;
beforeAll(async () => {
  installation = await TestInstallation.create('intake');
  intake = await startIntakeProcess(installation, {}, [`--max-old-space-size=${HEAP_MB}`]);
});
afterAll(() => installation.dispose());

interface Input {
  readonly path: string;
  readonly type: string;
  readonly body: Buffer;
  readonly gzip: boolean;
}

const UPLOAD = '/bulk-actions?actionType=update';
const json = (text: string, gzip = true): Input => ({
  path: '/bulk-actions',
  type: 'application/json',
  body: gzip ? gzipSync(text) : Buffer.from(text),
  gzip,
});
const upload = (type: string, text: string, gzip = true): Input => ({
  path: UPLOAD,
  type,
  body: gzip ? gzipSync(text) : Buffer.from(text),
  gzip,
});

/** The last row makes each of them invalid: nothing of them is to be carried out. */
const WORST: readonly Input[] = [
  json(`{"actionType":"update","entities":[${'{},'.repeat(5_500_000)}`),
  json(`{"actionType":"update","entities":[${'[[[]]],'.repeat(1_100_000)}`, false),
  json(`{"actionType":"update","entities":[${'{"id":"a"},'.repeat(700_000)}7]}`, false),
  json(`{"config":[${'{},'.repeat(2_700_000)}`, false),
  json('['.repeat(8_000_000), false),
  json(`{"a":"${'\\u00e4'.repeat(1_300_000)}"}`, false),
  upload('application/x-ndjson', '\n'.repeat(32_000_000)),
  upload('text/csv', `id\n${'\n'.repeat(32_000_000)}`),
  upload('text/csv', `id,lastName\n${`a,"${'x'.repeat(60_000)}"\n`.repeat(400)}"`),
  upload(
    'application/x-ndjson',
    `${Array.from({ length: 500 }, (_, i) => `{"id":"${i}","lastName":"${'\u00e4'.repeat(30_000)}"}\n`).join('')}7`,
    false,
  ),
];

async function send(
  { path, type, body, gzip }: Input,
  account: string,
): Promise<{ status: number; code: string }> {
  const response = await fetch(`${intake.url}${path}`, {
    method: 'POST',
    headers: {
      'content-type': type,
      'x-account-id': account,
      ...(gzip ? { 'content-encoding': 'gzip' } : {}),
    },
    body: new Uint8Array(body),
  });
  const { error } = (await response.json()) as { error?: { code: string } };
  return { status: response.status, code: error?.code ?? '' };
}

describe('intake with a small heap', () => {
  it('stays up under twenty of the worst inputs at once, and takes an upload meanwhile', async () => {
    const rows = Array.from({ length: ROWS }, (_, i) => `contact-${i},Name ${i}\n`).join('');
    const good = fetch(`${intake.url}${UPLOAD}`, {
      method: 'POST',
      headers: { 'content-type': 'text/csv', 'x-account-id': 'good' },
      body: `id,lastName\n${rows}`,
    });
    const worst = [...WORST, ...WORST].map((input, i) => send(input, `hostile-${i % 5}`));
    const refusals = await Promise.all(worst);
    // What found no room was told so; the rest was refused for what it is.
    for (const { status, code } of refusals) {
      if (status !== 503)
        expect([status, code]).toEqual([expect.any(Number), expect.stringMatching(/^[A-Z_]+$/)]);
      else expect(code).toBe('TOO_BUSY');
      expect(status === 503 || (status >= 400 && status < 500)).toBe(true);
    }
    expect(refusals.filter(({ status }) => status === 503 || status === 429).length).toBeLessThan(15);
    const answer = await good;
    expect(answer.status).toBe(202);
    expect(await answer.json()).toMatchObject({ data: { total: ROWS } });
    expect(intake.child.exitCode).toBeNull();
    expect(intake.lines.filter((line) => line.includes('"level":"error"'))).toEqual([]);
  });
});
