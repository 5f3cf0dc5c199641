import { existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { chooseTestStack } from './containers/choice.ts';
import { readTestStackSettings, type TestStackKind } from './containers/settings.ts';
import { loadEnv } from './env.ts';
import type { StackError } from './errors.ts';
import { cacheFolder, stackPaths } from './paths.ts';
import { identify } from './processes.ts';
import type { StartOptions } from './running.ts';
import { inspectStack, resetStack, startStack } from './stack.ts';
import { type StackUrls, urlsOf } from './state.ts';

/** Prefix of the folder with the logs of a run's containers. The process id completes the name. */
const containersFolder = 'containers-';

/** The real parts for a run of tests, from any source. */
export interface TestStack {
  readonly kind: TestStackKind;
  readonly urls: StackUrls;
  /** Settles when the stack has ended: with the error if a part died, else with nothing. It never rejects. */
  readonly closed: Promise<StackError | undefined>;
  /** Stops all started parts. After a success it also deletes their logs and data. It may be repeated. */
  stop(outcome: { failed: boolean }): Promise<void>;
}

/**
 * Provides the parts that the tests use, with fresh data: from containers, from the local stack, or by their URLs.
 * TEST_STACK decides, or else what is available (`chooseTestStack`). It logs the choice and its reason in one line.
 *
 * @throws StackError if the requested parts are not available; nothing is left then.
 */
export async function startTestStack(options: Omit<StartOptions, 'name'> = {}): Promise<TestStack> {
  const env = options.env ?? loadEnv();
  const log = options.log ?? ((): void => undefined);
  const settings = readTestStackSettings(env);
  // The engine's library is large, and only this code needs it.
  const look = async (images: readonly string[]): Promise<{ engine?: string; missing: readonly string[] }> =>
    (await import('./containers/engine.ts')).lookAtEngine(images);
  const { kind, line } = await chooseTestStack(settings, look);
  log(line);
  if (kind === 'urls') {
    const closed = new Promise<undefined>(() => undefined);
    return { kind, urls: urlsOf({}, settings.external), closed, stop: () => Promise.resolve() };
  }
  if (kind === 'local') return startLocal({ ...options, env, log });
  const { ContainerStack } = await import('./containers/container-stack.ts');
  removeOldLogs();
  const paths = stackPaths(`${containersFolder}${process.pid}`);
  const cache = cacheFolder(env);
  const stack = await ContainerStack.start({ settings, paths, cache, log, signal: options.signal });
  return {
    kind,
    urls: stack.urls,
    closed: stack.closed,
    stop: async ({ failed }) => {
      await stack.stop();
      if (!failed) rmSync(paths.root, { recursive: true, force: true });
    },
  };
}

/** Removes the logs of earlier runs: those of a failed run stay until the next one. */
function removeOldLogs(): void {
  const parent = dirname(stackPaths(containersFolder).root);
  for (const folder of existsSync(parent) ? readdirSync(parent) : []) {
    const pid = Number(folder.slice(containersFolder.length));
    if (!folder.startsWith(containersFolder) || !(pid > 0) || identify(pid) !== undefined) continue;
    rmSync(join(parent, folder), { recursive: true, force: true });
  }
}

async function startLocal(options: StartOptions): Promise<TestStack> {
  // Two runs at the same time must not share a stack, since the first to end would stop it.
  const name = (await inspectStack('test')) === undefined ? 'test' : `test-${process.pid}`;
  await resetStack(name);
  const stack = await startStack({ ...options, name });
  return {
    kind: 'local',
    urls: stack.urls,
    closed: stack.closed,
    stop: async ({ failed }) => {
      await stack.stop();
      if (!failed) await resetStack(name);
    },
  };
}
