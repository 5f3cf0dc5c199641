import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { StackError } from '../errors.ts';
import { writeAtomically } from '../files.ts';
import { withLock } from '../lock.ts';
import { installPackage } from './apt.ts';
import { findOnPath, isExecutable, type ProvisionContext, run, tail } from './tools.ts';

/*
 * SecantusDB speaks MongoDB's wire protocol over WiredTiger. It is GPL-2.0: it is only ever a separate
 * process on a developer's machine, fetched there by this tool; nothing here links to it or ships it.
 */

const crateVersion = '0.5.3-beta.196';
const wheelVersion = '0.7.0b3';

function rustRoot(cache: string): string {
  return join(cache, `secantus-mdb-${crateVersion}`);
}

/** The fast Rust build, when `npm run stack -- build-mongo` has made one that runs here. */
export async function findSecantusRust(context: ProvisionContext): Promise<string | undefined> {
  const binary = join(rustRoot(context.cache), 'bin', 'secantusd-rs');
  if (!isExecutable(binary)) return undefined;
  const version = await run(binary, ['--version'], { ...context, timeoutMs: 5_000 });
  return version.code === 0 ? binary : undefined;
}

/** Compiles the fast build into the cache, unless it is there. Takes minutes. */
export async function buildSecantusRust(context: ProvisionContext): Promise<string> {
  const root = rustRoot(context.cache);
  mkdirSync(context.cache, { recursive: true });
  const onWait = (pid: number): void => context.log(`mongo: process ${pid} is building it already; waiting…`);
  return withLock(`${root}.lock`, { timeoutMs: 3_600_000, signal: context.signal, onWait }, async () => {
    const built = await findSecantusRust(context);
    if (built !== undefined) return built;
    if (findOnPath('cargo', context.env) === undefined) {
      throw new StackError(
        'MISSING_TOOL',
        'cargo is missing: the fast build needs a recent Rust toolchain (Debian 12 has none), clang and cmake',
        'npm run stack -- up   # does without it, on the wheel',
      );
    }
    context.log('mongo: building SecantusDB (about 8 minutes on 2 cores, once)…');
    // Its manifest asks for a newer compiler than it needs.
    const args = [
      'install',
      'secantus-mdb',
      '--version',
      crateVersion,
      '--ignore-rust-version',
      '--root',
      root,
    ];
    const result = await run('cargo', args, { ...context, onOutput: reportCrates(context.log) });
    const binary = await findSecantusRust(context);
    if (binary === undefined) {
      throw new StackError(
        'BUILD_FAILED',
        `cargo could not build secantus-mdb ${crateVersion}:\n${tail(result.output)}`,
        'sudo apt-get install -y build-essential clang cmake pkg-config   # then build-mongo again',
      );
    }
    return binary;
  });
}

/** One calm line for every fifty crates compiled. */
function reportCrates(log: (line: string) => void): (text: string) => void {
  let compiled = 0;
  return (text) => {
    const before = Math.floor(compiled / 50);
    compiled += text.match(/^\s*Compiling /gm)?.length ?? 0;
    if (Math.floor(compiled / 50) > before) log(`mongo: ${compiled} crates compiled…`);
  };
}

/** The wheel's server, in a virtual environment of its own; installed when absent or broken. */
export async function provideSecantusWheel(context: ProvisionContext): Promise<string> {
  const folder = join(context.cache, `secantusdb-${wheelVersion}`);
  const binary = join(folder, 'bin', 'secantusd-py');
  // Written last. A virtual environment holds its own path, so it cannot be made elsewhere and renamed.
  const marker = join(folder, 'complete');
  const usable = async (): Promise<boolean> =>
    existsSync(marker) && (await run(join(folder, 'bin', 'python'), ['-c', ''], context)).code === 0;

  if (await usable()) return binary;
  return withLock(`${folder}.lock`, { timeoutMs: 600_000, signal: context.signal }, async () => {
    if (await usable()) return binary;
    rmSync(folder, { recursive: true, force: true });
    const python = await providePython(context);
    context.log(`mongo: installing SecantusDB ${wheelVersion} from PyPI (once)…`);
    const made = await run(python, ['-m', 'venv', folder], context);
    if (made.code !== 0) {
      await installPackage(context, { what: 'python3-venv', packages: ['python3-venv'] });
      await must(context, python, ['-m', 'venv', '--clear', folder], 'python3 -m venv');
    }
    // pip compares what it downloads with the hashes of the index; the version is pinned.
    const install = ['-m', 'pip', 'install', '--quiet', '--only-binary=:all:', `SecantusDB==${wheelVersion}`];
    await must(context, join(folder, 'bin', 'python'), install, 'pip');
    await must(context, binary, ['--help'], 'secantusd-py');
    writeAtomically(marker, `${wheelVersion}\n`);
    return binary;
  });
}

async function providePython(context: ProvisionContext): Promise<string> {
  const python = findOnPath('python3', context.env);
  if (python !== undefined) return python;
  await installPackage(context, { what: 'python3', packages: ['python3-venv'] });
  return 'python3';
}

async function must(
  context: ProvisionContext,
  command: string,
  args: readonly string[],
  what: string,
): Promise<void> {
  const result = await run(command, args, context);
  if (result.code !== 0) {
    throw new StackError(
      'INSTALL_FAILED',
      `${what} failed:\n${tail(result.output)}`,
      'npm run stack -- up   # once the cause is gone',
    );
  }
}
