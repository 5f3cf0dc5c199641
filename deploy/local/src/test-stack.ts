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

/** Each run has a folder of its own for the logs of its containers, named by its process. */
const containersFolder = 'containers-';

/** The real parts for a run of tests, wherever they are. */
export interface TestStack {
  readonly kind: TestStackKind;
  readonly urls: StackUrls;
  /** Settles when the stack has ended: with the error when a part died, else with nothing. Never rejects. */
  readonly closed: Promise<StackError | undefined>;
  /** Ends what was started; after a success its logs and data go as well. Idempotent. */
  stop(outcome: { failed: boolean }): Promise<void>;
}

/**
 * Gives the parts that the tests use, with fresh data: from containers, from the local stack, or by their URLs, as
 * TEST_STACK says or as is at hand (`chooseTestStack`). Says in one line which it is and why.
 *
 * @throws StackError when what was asked for is not to be had; nothing is left then.
 */
export async function startTestStack(options: Omit<StartOptions, 'name'> = {}): Promise<TestStack> {
  const env = options.env ?? loadEnv();
  const log = options.log ?? ((): void => undefined);
  const settings = readTestStackSettings(env);
  // Its library is large, and nothing but this needs it.
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

/** The logs of a failed run stay until the next one. */
function removeOldLogs(): void {
  const parent = dirname(stackPaths(containersFolder).root);
  for (const folder of existsSync(parent) ? readdirSync(parent) : []) {
    const pid = Number(folder.slice(containersFolder.length));
    if (!folder.startsWith(containersFolder) || !(pid > 0) || identify(pid) !== undefined) continue;
    rmSync(join(parent, folder), { recursive: true, force: true });
  }
}

async function startLocal(options: StartOptions): Promise<TestStack> {
  // Two runs at once must not share a stack, since the first to end would stop it.
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
