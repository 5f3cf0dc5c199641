import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cacheFolder, provideSchemathesis, run, type ProvisionContext } from '@bulk/local-stack';
import { IntakeHarness } from './harness.ts';

const PROVISIONING_MS = 300_000;
const RUN_MS = 120_000;
/** Requests per operation and kind of generation. */
const EXAMPLES = 20;
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'unsupported_method',
];
/** Every account parameter fits the header, and a run that never met a 200 of an operation has shown nothing. */
const SETTINGS = `
[parameters]
"query.accountId" = "acme"

[warnings]
fail-on = ["missing_test_data"]
`;

const context: ProvisionContext = { cache: cacheFolder(), env: process.env, log: console.log };
let harness: IntakeHarness;
let schemathesis: string;
let folder: string;
beforeAll(async () => {
  schemathesis = await provideSchemathesis(context);
  folder = mkdtempSync(join(tmpdir(), 'contract-'));
  harness = await IntakeHarness.create();
  await harness.start();
}, PROVISIONING_MS);
afterAll(async () => {
  await harness.installation.dispose();
  rmSync(folder, { recursive: true, force: true });
});

describe('the OpenAPI document', () => {
  it(
    'holds for what intake answers to requests that follow it, and to those that do not',
    async () => {
      const settings = join(folder, 'schemathesis.toml');
      writeFileSync(settings, SETTINGS);
      const args = [
        ...['--config-file', settings, 'run', `${harness.url}/api/openapi.json`],
        ...['--url', harness.url, '--header', 'x-account-id:acme', '--checks', CHECKS.join()],
        ...['--max-examples', String(EXAMPLES), '--generation-deterministic', '--continue-on-failure'],
        ...['--no-color', '--suppress-health-check', 'all'],
      ];
      const { code, output } = await run(schemathesis, args, { ...context, cwd: folder, timeoutMs: RUN_MS });
      // The report says which request breaks the contract, and how to send it again.
      expect(code === 0 ? '' : output).toBe('');
      expect(output).toMatch(/Operations: +(\d+) selected \/ \1 total/);
    },
    RUN_MS,
  );

  it.each(['TRACE', 'SEARCH', 'DELETE'])(
    'needs no 5xx for a method that no path knows: %s',
    async (method) => {
      const { hostname, port } = new URL(harness.url);
      const asked = request({ hostname, port, method, path: '/bulk-actions' }).end();
      const [response] = (await once(asked, 'response')) as [IncomingMessage];
      response.resume();
      expect([response.statusCode, response.headers.allow]).toEqual([405, 'POST']);
    },
  );
});
