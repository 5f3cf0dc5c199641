import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { StackError } from '../errors.ts';
import { withLock } from '../lock.ts';
import { canInstall, installPackage } from './apt.ts';
import { providePythonProgram } from './python.ts';
import { findOnPath, isExecutable, type ProvisionContext, run, tail } from './tools.ts';

/*
 * SecantusDB speaks MongoDB's wire protocol over WiredTiger. Its licence is GPL-2.0. So it is only ever a separate
 * process on a developer's machine, and this tool fetches it there. No code here links to it or ships it.
 */

const crateVersion = '0.5.3-beta.196';
const wheelVersion = '0.7.0b3';

function rustRoot(cache: string): string {
  return join(cache, `secantus-mdb-${crateVersion}`);
}

/** Returns the fast Rust build, if `npm run stack -- build-mongo` has made one that runs here. */
export async function findSecantusRust(context: ProvisionContext): Promise<string | undefined> {
  const binary = join(rustRoot(context.cache), 'bin', 'secantusd-rs');
  if (!isExecutable(binary)) return undefined;
  const version = await run(binary, ['--version'], { ...context, timeoutMs: 5_000 });
  return version.code === 0 ? binary : undefined;
}

/** Compiles the fast build into the cache, unless it exists. This takes minutes. */
export async function buildSecantusRust(context: ProvisionContext): Promise<string> {
  const root = rustRoot(context.cache);
  mkdirSync(context.cache, { recursive: true });
  const onWait = (pid: number): void => context.log(`mongo: process ${pid} is building it already; waiting…`);
  return withLock(`${root}.lock`, { timeoutMs: 3_600_000, signal: context.signal, onWait }, async () => {
    const built = await findSecantusRust(context);
    if (built !== undefined) return built;
    await provideToolchain(context);
    context.log('mongo: building SecantusDB (about 8 minutes on 2 cores, once)…');
    // Its manifest requires a newer compiler than it needs.
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

/** Returns whether the fast build can be compiled here: the compiler is there, or may be installed. */
export function canBuildSecantusRust({ env }: Pick<ProvisionContext, 'env'>): boolean {
  return findOnPath('cargo', env) !== undefined || canInstall(env);
}

/**
 * Programs of the build, with the packages of Debian that have them. `cargo-web` is the recent toolchain that Debian 12
 * keeps for browsers; plain `cargo` is too old there.
 */
const TOOLCHAIN = [
  { what: 'cargo', packages: ['cargo-web', 'cargo'] },
  { what: 'cc', packages: ['build-essential'] },
  { what: 'clang', packages: ['clang'] },
  { what: 'cmake', packages: ['cmake'] },
  { what: 'pkg-config', packages: ['pkg-config'] },
] as const;

async function provideToolchain(context: ProvisionContext): Promise<void> {
  if (!canBuildSecantusRust(context)) {
    throw new StackError(
      'MISSING_TOOL',
      'cargo is missing: the fast build needs a recent Rust toolchain, clang and cmake',
      'npm run stack -- up   # does without it, on the wheel',
    );
  }
  for (const { what, packages } of TOOLCHAIN) {
    const isMissing = findOnPath(what, context.env) === undefined;
    // Where cargo is given, the rest may be given in another form, and the build reports what it lacks.
    if (isMissing && (what === 'cargo' || canInstall(context.env)))
      await installPackage(context, { what, packages });
  }
}

/** Logs one line for every fifty compiled crates. */
function reportCrates(log: (line: string) => void): (text: string) => void {
  let compiled = 0;
  return (text) => {
    const before = Math.floor(compiled / 50);
    compiled += text.match(/^\s*Compiling /gm)?.length ?? 0;
    if (Math.floor(compiled / 50) > before) log(`mongo: ${compiled} crates compiled…`);
  };
}

/** Provides the wheel's server, in a virtual environment of its own, and installs it if it is absent or broken. */
export function provideSecantusWheel(context: ProvisionContext): Promise<string> {
  return providePythonProgram(context, {
    folder: `secantusdb-${wheelVersion}`,
    announcement: `mongo: installing SecantusDB ${wheelVersion} from PyPI (once)…`,
    requirements: [`SecantusDB==${wheelVersion}`],
    program: 'secantusd-py',
    remedy: 'npm run stack -- up   # once the cause is gone',
  });
}
