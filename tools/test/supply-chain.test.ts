import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cacheFolder, type GoTools, provideGoTools, run, workspaceRoot } from '@bulk/local-stack';
import { z } from 'zod';
import { noteSkipped } from '../src/checks/skipped.ts';

const PROVISIONING_MS = 900_000;
const workflows = join(workspaceRoot, '.github', 'workflows');
const compose = join(workspaceRoot, 'deploy', 'compose.yaml');

const scratch = mkdtempSync(join(tmpdir(), 'bulk-supply-'));
afterAll(() => rmSync(scratch, { recursive: true }));

let tools: GoTools | undefined;
beforeAll(async () => {
  try {
    tools = await provideGoTools({ cache: cacheFolder(), env: process.env, log: console.log });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    for (const name of ['lint of the workflows', 'check of deploy/compose.yaml'])
      noteSkipped({ name, reason });
  }
}, PROVISIONING_MS);

describe('the workflows', () => {
  const lint = (tool: string, files: readonly string[]) =>
    // Without other linters, which are on some machines only.
    run(tool, ['-no-color', '-shellcheck=', '-pyflakes=', ...files], { env: process.env, cwd: scratch });

  it('have no fault that actionlint finds', async () => {
    if (tools === undefined) return;
    const files = readdirSync(workflows).map((name) => join(workflows, name));
    expect(await lint(tools.actionlint, files)).toEqual({ code: 0, output: '' });
  });

  it('would not pass with an unknown output of a step', async () => {
    if (tools === undefined) return;
    const broken = join(scratch, 'broken.yml');
    const text = readFileSync(join(workflows, 'release.yml'), 'utf8');
    writeFileSync(broken, text.replace('steps.digests.outputs.digests', 'steps.unknown.outputs.digests'));
    const { code, output } = await lint(tools.actionlint, [broken]);
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining('"unknown"') });
  });
});

describe('deploy/compose.yaml', () => {
  const load = (tool: string, file: string) =>
    run(tool, ['-format', 'json', file], { env: process.env, cwd: scratch });
  const modelSchema = z.object({
    services: z.record(
      z.string(),
      z.object({ ports: z.array(z.object({ host_ip: z.string(), published: z.string() })).default([]) }),
    ),
  });

  it('is loaded by the loader of Docker Compose, with ports on the loopback interface alone', async () => {
    if (tools === undefined) return;
    const { code, output } = await load(tools.composeSpec, compose);
    expect([code, code === 0 ? '' : output]).toEqual([0, '']);
    const ports = Object.values(modelSchema.parse(JSON.parse(output)).services).flatMap((each) => each.ports);
    // The tool takes every variable as unset.
    expect(ports.map(({ host_ip, published }) => `${host_ip}:${published}`).sort()).toEqual(
      ['3000', '3001', '3010', '9090'].map((port) => `127.0.0.1:${port}`),
    );
  });

  it.each([
    ['an unknown key', (text: string) => text.replace('restart: unless-stopped', 'restarts: always')],
    ['a value of another type', (text: string) => text.replace('retries: 3', 'retries: [3]')],
  ])('would not pass with %s', async (_what, damage) => {
    if (tools === undefined) return;
    const broken = join(scratch, 'compose.yaml');
    writeFileSync(broken, damage(readFileSync(compose, 'utf8')));
    expect(await load(tools.composeSpec, broken)).toMatchObject({ code: 1 });
  });
});
