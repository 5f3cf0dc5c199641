import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { sendWorstInput, TestInstallation, worstInputs } from '@bulk/testing';
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

const UPLOAD = '/bulk-actions?actionType=update';

describe('intake with a small heap', () => {
  it('survives twenty of the worst inputs at once and accepts an upload meanwhile', async () => {
    const rows = Array.from({ length: ROWS }, (_, i) => `contact-${i},Name ${i}\n`).join('');
    const good = fetch(`${intake.url}${UPLOAD}`, {
      method: 'POST',
      headers: { 'content-type': 'text/csv', 'x-account-id': 'good' },
      body: `id,lastName\n${rows}`,
    });
    const inputs = worstInputs();
    const worst = [...inputs, ...inputs].map((input, i) =>
      sendWorstInput(input, intake.url, `hostile-${i % 5}`),
    );
    const refusals = await Promise.all(worst);
    // What found no room was refused for that. The rest was refused for its own fault.
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
