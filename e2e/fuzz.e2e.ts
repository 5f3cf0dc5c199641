import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { workspaceRoot } from '@bulk/local-stack';
import { TestInstallation } from '@bulk/testing';
import { apiDocuments } from '@bulk/tools/api-documents';
import { describeFinding, FuzzTarget, KINDS, routesOf, runFuzz } from '@bulk/tools/fuzz';

/**
 * Always the same cases, so that a failure is due to the change under test. Other seeds: `npm run
 * fuzz`.
 */
const SEED = 13;
const LASTS_MS = 30_000;

let installation: TestInstallation;
let target: FuzzTarget;
beforeAll(async () => {
  installation = await TestInstallation.create('fuzz');
  const database = await installation.database();
  const logFolder = join(workspaceRoot, '.stack', 'e2e', installation.env['MONGODB_DATABASE'] ?? '');
  target = await FuzzTarget.start({ env: installation.env, database, logFolder });
  installation.onDispose(() => target.close());
}, 180_000);
afterAll(() => installation.dispose(), 120_000);

describe('intake and notifier under malformed bytes', () => {
  it('stay up, answer no 5xx, keep nothing of refused input, and account for all that they accept', async () => {
    const report = await runFuzz({
      target,
      routes: routesOf((await apiDocuments(workspaceRoot)).openapi),
      seed: SEED,
      lastsMs: LASTS_MS,
      signal: new AbortController().signal,
    });
    expect(report.findings.map(describeFinding)).toEqual([]);
    // With few cases of a kind, or nothing accepted, the run would prove little.
    for (const kind of KINDS) expect(report.cases[kind]).toBeGreaterThan(20);
    expect(report.actions).toBeGreaterThan(10);
  }, 300_000);
});
