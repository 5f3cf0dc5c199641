import { existsSync } from 'node:fs';
import { StackError } from '../errors.ts';
import { findOnPath, type ProvisionContext, run, tail } from './tools.ts';

/** Serialises our own calls: apt's lock admits one at a time, and its lists need only one update per run. */
let queue: Promise<unknown> = Promise.resolve();
let updated = false;
/** Waits, within bounds, for another apt, such as a machine's first unattended upgrade. */
const LOCK_TIMEOUT = ['-o', 'DPkg::Lock::Timeout=120'];

/** Returns whether this process may install packages: as root on Debian or one of its descendants. */
export function canInstall(env: ProvisionContext['env']): boolean {
  return (
    process.getuid?.() === 0 && existsSync('/etc/debian_version') && findOnPath('apt-get', env) !== undefined
  );
}

/**
 * Installs the first of the packages that exists, if this process may. Otherwise the error names what is missing and
 * the command that installs it.
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

/**
 * Fetches a package of Debian and unpacks it into a folder, without installing it. Use it for a program whose package
 * would also start a service.
 *
 * @throws StackError MISSING_TOOL if this is not Debian; INSTALL_FAILED.
 */
export async function unpackPackage(context: ProvisionContext, name: string, folder: string): Promise<void> {
  if (!canInstall(context.env)) {
    const remedy = process.platform === 'darwin' ? `brew install ${name}` : `sudo apt-get install -y ${name}`;
    throw new StackError('MISSING_TOOL', `${name} is missing`, remedy);
  }
  const work = queue.then(() => unpack(context, name, folder));
  queue = work.catch(() => undefined);
  await work;
}

async function unpack(context: ProvisionContext, name: string, folder: string): Promise<void> {
  await updateLists(context, name);
  context.log(`apt: fetching ${name}…`);
  const script = 'apt-get -qq download "$1" && dpkg-deb -x ./*.deb . && rm -f ./*.deb';
  const { code, output } = await run('sh', ['-c', script, 'sh', name], {
    env: context.env,
    cwd: folder,
    signal: context.signal,
  });
  if (code === 0) return;
  throw new StackError(
    'INSTALL_FAILED',
    `${name} could not be fetched:\n${tail(output)}`,
    `apt-get update && apt-get download ${name}`,
  );
}

async function updateLists(context: ProvisionContext, what: string): Promise<void> {
  if (updated) return;
  const env = { ...context.env, DEBIAN_FRONTEND: 'noninteractive' };
  context.log(`apt: reading the package lists (for ${what})…`);
  await run('apt-get', [...LOCK_TIMEOUT, '-qq', 'update'], { env, detachable: true });
  updated = true;
}

async function install(context: ProvisionContext, what: string, packages: readonly string[]): Promise<void> {
  const env = { ...context.env, DEBIAN_FRONTEND: 'noninteractive' };
  await updateLists(context, what);
  let output = '';
  for (const name of packages) {
    context.log(`apt: installing ${name}…`);
    const args = [...LOCK_TIMEOUT, '-qq', 'install', '-y', '--no-install-recommends', name];
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
