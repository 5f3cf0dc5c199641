import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import {
  cacheFolder,
  isAlive,
  run,
  startOwnEngine,
  workspaceRoot,
  type ProcessIdentity,
} from '@bulk/local-stack';
import { eventually } from '@bulk/testing';
import { noteSkipped } from '@bulk/tools/skipped-checks';

const GROUP = 'a Docker engine of our own';
const TITLE = 'ends with the process that started it, even if that is killed, and starts again afterwards';

const context = { cache: cacheFolder(), env: process.env, log: () => undefined };
/** The reason why no engine can run here, which is no fault of the code. */
const reason = await startOwnEngine(context).then(
  (engine) => engine.stop(),
  (error: unknown) => (error instanceof Error ? error.message : String(error)),
);

/** Starts an engine, prints its process id, and waits. */
const SCRIPT = `
  const { cacheFolder, startOwnEngine } = await import('@bulk/local-stack');
  const { identity } = await startOwnEngine({ cache: cacheFolder(), env: process.env, log: () => undefined });
  console.log(JSON.stringify(identity));
  setInterval(() => undefined, 1_000);
`;

const mounts = (): string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes('bulk-docker') || line.includes('docker-data'));

describe(GROUP, () => {
  if (reason !== undefined) {
    noteSkipped({ name: `${GROUP} ${TITLE}`, reason });
    it.todo(TITLE);
    return;
  }

  it(TITLE, async () => {
    const args = ['--import', 'tsx', '--input-type=module', '--eval', SCRIPT];
    const owner = spawn(process.execPath, args, { cwd: workspaceRoot, stdio: ['ignore', 'pipe', 'inherit'] });
    const [said] = (await once(owner.stdout, 'data')) as [Buffer];
    const identity = JSON.parse(said.toString()) as ProcessIdentity;
    expect(isAlive(identity)).toBe(true);
    owner.kill('SIGKILL');
    await eventually('the engine has ended', () => !isAlive(identity));

    const engine = await startOwnEngine(context);
    const info = await run('docker', ['info', '--format', '{{.Driver}}'], { env: engine.env });
    await engine.stop();
    expect(info.code).toBe(0);
    expect(isAlive(engine.identity)).toBe(false);
    expect(mounts()).toEqual([]);
  });
});
