import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, workspaceRoot } from '@bulk/local-stack';
import { z } from 'zod';

/** The registry cannot be reached, in npm's words. Any other failure of npm is one of the package. */
const UNREACHABLE =
  /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED|ERR_SOCKET_TIMEOUT|code E5\d\d/;
const LIMIT_MS = 120_000;

const packedSchema = z.array(
  z.object({ filename: z.string(), files: z.array(z.object({ path: z.string() })) }),
);

/** Where a program is meant to run. It decides which types the compiler knows. */
export type Platform = 'node' | 'browser';

const COMPILER_OPTIONS = {
  node: {
    module: 'nodenext',
    lib: ['ES2023'],
    types: ['node'],
    typeRoots: [join(workspaceRoot, 'node_modules', '@types')],
  },
  browser: {
    module: 'esnext',
    moduleResolution: 'bundler',
    lib: ['ES2023', 'DOM', 'DOM.Iterable'],
    types: [],
  },
};

/** The package of the client, installed in an empty folder as a user would. */
export class PackedClient {
  readonly folder: string;
  /** Paths of the packed files. */
  readonly packed: readonly string[];

  private constructor(folder: string, packed: readonly string[]) {
    this.folder = folder;
    this.packed = packed;
  }

  /**
   * Builds, packs and installs the client.
   *
   * @returns the reason if no registry can be reached.
   * @throws Error if the package cannot be built, packed or installed.
   */
  static async install(): Promise<PackedClient | string> {
    const library = join(workspaceRoot, 'libs', 'client');
    await must(library, process.execPath, [join(workspaceRoot, 'tools', 'build-library.mjs')]);
    const folder = mkdtempSync(join(tmpdir(), 'bulk-client-package-'));
    try {
      writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
      const output = await must(folder, 'npm', [
        'pack',
        join(library, 'dist'),
        '--json',
        '--loglevel=silent',
      ]);
      const [packed] = packedSchema.parse(JSON.parse(output));
      if (packed === undefined) throw new Error('npm pack produced no package');
      const unreachable = await installIn(folder, packed.filename);
      if (unreachable === undefined)
        return new PackedClient(
          folder,
          packed.files.map(({ path }) => path),
        );
      rmSync(folder, { recursive: true, force: true });
      return unreachable;
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Compiles a program strictly, with the declarations that it imports. @returns the messages of the compiler. */
  async compile(name: string, program: string, platform: Platform): Promise<string> {
    writeFileSync(join(this.folder, `${name}.ts`), program);
    const compilerOptions = {
      ...COMPILER_OPTIONS[platform],
      target: 'es2022',
      strict: true,
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
    };
    const config = `tsconfig.${name}.json`;
    writeFileSync(join(this.folder, config), JSON.stringify({ compilerOptions, files: [`${name}.ts`] }));
    const compiler = join(workspaceRoot, 'node_modules', 'typescript', 'bin', 'tsc');
    const { code, output } = await at(this.folder, process.execPath, [compiler, '-p', config]);
    if (code !== 0 && output === '') throw new Error(`the compiler ended with ${code}`);
    return output;
  }

  /** Runs a compiled program with Node. @returns its output. */
  run(name: string, ...args: readonly string[]): Promise<string> {
    return must(this.folder, process.execPath, [`${name}.js`, ...args]);
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/**
 * Installs a packed file, with what it depends on.
 *
 * @returns the reason if no registry can be reached.
 */
async function installIn(folder: string, file: string): Promise<string | undefined> {
  const options = ['--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund'];
  const limits = ['--fetch-retries=1', '--fetch-timeout=20000'];
  const { code, output } = await at(folder, 'npm', ['install', `./${file}`, ...options, ...limits]);
  if (code === 0) return undefined;
  const [symptom] = UNREACHABLE.exec(output) ?? [];
  if (symptom === undefined) throw new Error(`npm install failed:\n${output}`);
  return `npm cannot get the packages zod and ws (${symptom})`;
}

function at(cwd: string, command: string, args: readonly string[]) {
  return run(command, args, { cwd, env: process.env, timeoutMs: LIMIT_MS });
}

async function must(cwd: string, command: string, args: readonly string[]): Promise<string> {
  const { code, output } = await at(cwd, command, args);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${output}`);
  return output;
}
