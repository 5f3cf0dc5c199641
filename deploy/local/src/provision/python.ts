import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { StackError } from '../errors.ts';
import { writeAtomically } from '../files.ts';
import { withLock } from '../lock.ts';
import { installPackage } from './apt.ts';
import { findOnPath, type ProvisionContext, run, tail } from './tools.ts';

/** A program from PyPI, in a virtual environment of its own. */
export interface PythonProgram {
  /** Folder in the cache; its name contains the pinned version. */
  readonly folder: string;
  /** The log line during the installation. */
  readonly announcement: string;
  /** The packages that pip installs, with exact versions. */
  readonly requirements: readonly string[];
  /** Executable of the environment. */
  readonly program: string;
  /** Arguments of the call that checks that the program runs. @default `--help` */
  readonly check?: readonly string[];
  /** The command to try again after a failure. */
  readonly remedy: string;
}

/**
 * Returns the full path of the program, and installs the program if it is absent or broken.
 *
 * @throws StackError INSTALL_FAILED, MISSING_TOOL.
 */
export async function providePythonProgram(
  context: ProvisionContext,
  { folder: name, announcement, requirements, program, check = ['--help'], remedy }: PythonProgram,
): Promise<string> {
  const folder = join(context.cache, name);
  const binary = join(folder, 'bin', program);
  // The marker is written last. A virtual environment contains its own path, so it cannot be created elsewhere and
  // renamed.
  const marker = join(folder, 'complete');
  const usable = async (): Promise<boolean> =>
    existsSync(marker) && (await run(join(folder, 'bin', 'python'), ['-c', ''], context)).code === 0;

  if (await usable()) return binary;
  return withLock(`${folder}.lock`, { timeoutMs: 600_000, signal: context.signal }, async () => {
    if (await usable()) return binary;
    rmSync(folder, { recursive: true, force: true });
    const python = await providePython(context);
    context.log(announcement);
    const made = await run(python, ['-m', 'venv', folder], context);
    if (made.code !== 0) {
      await installPackage(context, { what: 'python3-venv', packages: ['python3-venv'] });
      await must(context, python, ['-m', 'venv', '--clear', folder], 'python3 -m venv', remedy);
    }
    // pip compares its downloads with the hashes of the index; the versions are pinned.
    const install = ['-m', 'pip', 'install', '--quiet', '--only-binary=:all:', ...requirements];
    await must(context, join(folder, 'bin', 'python'), install, 'pip', remedy);
    await must(context, binary, check, program, remedy);
    writeAtomically(marker, `${requirements.join('\n')}\n`);
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
  remedy: string,
): Promise<void> {
  const result = await run(command, args, context);
  if (result.code !== 0) {
    throw new StackError('INSTALL_FAILED', `${what} failed:\n${tail(result.output)}`, remedy);
  }
}
