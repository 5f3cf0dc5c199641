import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cacheFolder, provideSchemathesis, run, type ProvisionContext } from '@bulk/local-stack';
import { z } from 'zod';
import { IntakeHarness } from './harness.ts';

const PROVISIONING_MS = 300_000;
const RUN_MS = 300_000;
/** Number of requests per operation and kind of generation. */
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
/**
 * The account of the query is that of the header, and most of the ids are those of existing
 * actions.
 */
const settings = (actionIds: readonly string[]) => `
hooks = "serializers.py"

[parameters]
"query.accountId" = "acme"
"path.id" = { dictionary = "actions", probability = 0.8 }

[dictionaries.actions]
values = ${JSON.stringify(actionIds)}
`;

/** Uploads are text. Schemathesis knows CSV only as rows, and NDJSON not at all. */
const SERIALIZERS = `
import schemathesis

@schemathesis.serializer("application/x-ndjson", "text/csv")
def text(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
`;

const context: ProvisionContext = { cache: cacheFolder(), env: process.env, log: console.log };
let harness: IntakeHarness;
let schemathesis: string;
let folder: string;
beforeAll(async () => {
  schemathesis = await provideSchemathesis(context);
  folder = mkdtempSync(join(tmpdir(), 'contract-'));
  harness = await IntakeHarness.create();
  await harness.start({ WEBHOOK_SECRET: randomUUID() });
  // The record that the examples name.
  const now = new Date();
  const record = { accountId: 'acme', id: 'contact-1', version: 1, createdAt: now, updatedAt: now };
  await harness.database
    .entities('contacts')
    .insertOne({ _id: 'acme:contact-1', ...record, lastName: 'Lovelace', tags: ['vip'] });
}, PROVISIONING_MS);
afterAll(async () => {
  await harness.installation.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** Creates an action that can be paused, resumed and cancelled. */
async function scheduledAction(): Promise<string> {
  return (await harness.accepted(randomUUID(), 2, new Date('2999-01-01T00:00:00Z')))._id;
}

/** Creates an action that has outcomes of every kind, and that can be undone. */
async function completedAction(): Promise<string> {
  const actionId = randomUUID();
  await harness.accepted(actionId, 2, new Date('2999-01-01T00:00:00Z'));
  const done = {
    entityId: 'c0',
    ref: null,
    status: 'success',
    code: null,
    message: null,
    attempts: 1,
  } as const;
  const changes = JSON.stringify({ before: { city: null }, after: { city: 'Bonn' } });
  const made = { effect: 'updated', version: 2, changes } as const;
  const missing = { status: 'failure', code: 'ENTITY_NOT_FOUND', message: 'no contact has this id' } as const;
  await harness.database.actionLogs.insertOne({
    _id: `${actionId}:0`,
    actionId,
    batchNo: 0,
    partition: 0,
    firstPosition: 0,
    lastPosition: 1,
    source: { partition: 0, offset: 0 },
    at: new Date(),
    counts: { success: 1, failure: 1, skipped: 0 },
    outcomes: [
      { ...done, ...made, position: 0 },
      { ...done, ...missing, position: 1, entityId: 'c1', ref: 'row 2' },
    ],
  });
  const now = new Date();
  await harness.database.actions.updateOne(
    { _id: actionId },
    {
      $set: {
        counts: { success: 1, failure: 1, skipped: 0 },
        codes: { ENTITY_NOT_FOUND: 1 },
        status: 'completed',
        changes: 'values',
        startedAt: now,
        finishedAt: now,
      },
    },
  );
  return actionId;
}

const documentSchema = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) });
const exchangesSchema = z.object({
  log: z.object({
    entries: z.array(
      z.object({
        request: z.object({ method: z.string(), url: z.string() }),
        response: z.object({ status: z.int() }),
      }),
    ),
  }),
});

/** Returns `GET /bulk-actions/…` of each successful exchange. */
function successesIn(file: string): string[] {
  const { entries } = exchangesSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).log;
  return entries
    .filter(({ response }) => response.status >= 200 && response.status < 300)
    .map(({ request: { method, url } }) => `${method} ${new URL(url).pathname}`);
}

describe('the OpenAPI document', () => {
  it(
    'holds for every answer of intake to valid and invalid requests',
    async () => {
      const file = join(folder, 'schemathesis.toml');
      const scheduled = await Promise.all(Array.from({ length: 8 }, scheduledAction));
      writeFileSync(file, settings([await completedAction(), ...scheduled]));
      writeFileSync(join(folder, 'serializers.py'), SERIALIZERS);
      const args = [
        ...['--config-file', file, 'run', `${harness.url}/api/openapi.json`],
        ...['--url', harness.url, '--header', 'x-account-id:acme', '--checks', CHECKS.join()],
        ...['--max-examples', String(EXAMPLES), '--generation-deterministic', '--continue-on-failure'],
        ...['--no-color', '--suppress-health-check', 'all'],
        ...['--report', 'har', '--report-har-path', join(folder, 'exchanges.json')],
      ];
      const { code, output } = await run(schemathesis, args, { ...context, cwd: folder, timeoutMs: RUN_MS });
      // The report names the request that breaks the contract, and how to send it again.
      expect(code === 0 ? '' : output).toBe('');
      // A run that never met the success of an operation would have shown little of the operation.
      const { paths } = documentSchema.parse(await (await fetch(`${harness.url}/api/openapi.json`)).json());
      const seen = successesIn(join(folder, 'exchanges.json'));
      for (const [path, methods] of Object.entries(paths)) {
        for (const method of Object.keys(methods)) {
          const pattern = new RegExp(`^${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`);
          expect([`${method} ${path}`, seen.some((line) => pattern.test(line))]).toEqual([
            `${method} ${path}`,
            true,
          ]);
        }
      }
    },
    RUN_MS,
  );

  it.each(['TRACE', 'SEARCH', 'DELETE'])(
    'holds for an undocumented method, which gets no 5xx: %s',
    async (method) => {
      const { hostname, port } = new URL(harness.url);
      const asked = request({ hostname, port, method, path: '/bulk-actions' }).end();
      const [response] = (await once(asked, 'response')) as [IncomingMessage];
      response.resume();
      expect([response.statusCode, response.headers.allow]).toEqual([405, 'POST, HEAD, GET']);
    },
  );
});
