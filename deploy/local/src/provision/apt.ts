import { existsSync } from 'node:fs';
import { StackError } from '../errors.ts';
import { findOnPath, type ProvisionContext, run, tail } from './tools.ts';

/** Serialises our own calls: apt's lock admits one at a time, and its lists need one update a run. */
let queue: Promise<unknown> = Promise.resolve();
let updated = false;

/** Whether we may install packages ourselves: root on Debian or a descendant of it. */
export function canInstall(env: ProvisionContext['env']): boolean {
  return (
    process.getuid?.() === 0 && existsSync('/etc/debian_version') && findOnPath('apt-get', env) !== undefined
  );
}

/**
 * Installs the first of the packages that exists, when we may; otherwise says what is missing and the
 * command that installs it.
 */
export async function installPackage(
  context: ProvisionContext,
  need: { readonly what: string; readonly packages: readonly [string, ...string[]] },
): Promise<void> {
  const [first] = need.packages;
  if (!canInstall(context.env)) {
    const remedy =
      process.platform === 'darwin'
        ? `brew install ${need.what}`
        : `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${first}`;
    throw new StackError('MISSING_TOOL', `${need.what} is missing`, remedy);
  }
  const work = queue.then(() => install(context, need.what, need.packages));
  queue = work.catch(() => undefined);
  await work;
}

async function install(context: ProvisionContext, what: string, packages: readonly string[]): Promise<void> {
  const env = { ...context.env, DEBIAN_FRONTEND: 'noninteractive' };
  // Another apt may be at work, such as a machine's first unattended upgrade: wait for it, bounded.
  const lockTimeout = ['-o', 'DPkg::Lock::Timeout=120'];
  if (!updated) {
    context.log(`apt: reading the package lists (for ${what})…`);
    await run('apt-get', [...lockTimeout, '-qq', 'update'], { env, detachable: true });
    updated = true;
  }
  let output = '';
  for (const name of packages) {
    context.log(`apt: installing ${name}…`);
    const args = [...lockTimeout, '-qq', 'install', '-y', '--no-install-recommends', name];
    const result = await run('apt-get', args, { env, detachable: true });
    if (result.code === 0) return;
    output = result.output;
  }
  throw new StackError(
    'INSTALL_FAILED',
    `${what} is missing, and apt-get could not install ${packages.join(' or ')}:\n${tail(output)}`,
    `apt-get update && apt-get install -y ${packages[0] ?? what}`,
  );
}
