import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { workspaceRoot } from '@bulk/local-stack';

/**
 * Does what a worker of jest does: it listens to its jest, and stops listening when its work is
 * done.
 */
const WORKER = `
  const work = (message) => {
    if (message === 'end') process.removeListener('message', work);
  };
  process.on('message', work);
  await import(${JSON.stringify(join(workspaceRoot, 'tools', 'jest-environment.mjs'))});
  process.send('ready');
`;

const workers: ChildProcess[] = [];
async function startWorker(): Promise<ChildProcess> {
  const worker = spawn(process.execPath, ['--input-type=module', '--eval', WORKER], {
    cwd: workspaceRoot,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  workers.push(worker);
  expect(await once(worker, 'message')).toEqual(['ready', undefined]);
  return worker;
}
afterEach(() => {
  for (const worker of workers.splice(0)) worker.kill('SIGKILL');
});

describe('a worker of jest', () => {
  it('exits by itself when its work is done', async () => {
    const worker = await startWorker();
    const ended = once(worker, 'exit');
    worker.send('end');
    expect(await ended).toEqual([0, null]);
  });

  it('exits in the middle of its work when its parent process has exited', async () => {
    const worker = await startWorker();
    const ended = once(worker, 'exit');
    worker.disconnect();
    expect(await ended).toEqual([1, null]);
  });
});
