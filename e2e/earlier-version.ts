import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { run, workspaceRoot } from '@bulk/local-stack';
import { SERVICES, type ServiceName } from '@bulk/tools';
import { build, type Plugin } from 'esbuild';
import { z } from 'zod';

const manifestSchema = z.object({ name: z.string() });
const GIT_LIMIT_MS = 60_000;

/** The services of an earlier commit, built outside of the workspace with the packages that the workspace has. */
export interface EarlierVersion {
  /** Arguments to Node that start each service. */
  readonly args: Readonly<Record<ServiceName, readonly string[]>>;
  remove(): Promise<void>;
}

/**
 * Returns why a commit cannot be checked out here; `undefined` if it can.
 *
 * @throws Error if the whole history is here and does not contain the commit.
 */
export async function whyUnavailable(commit: string): Promise<string | undefined> {
  const shallow = await git('rev-parse', '--is-shallow-repository');
  if (shallow.code !== 0) return `git reads no repository here: ${shallow.output}`;
  if ((await git('cat-file', '-e', `${commit}^{commit}`)).code === 0) return undefined;
  if (shallow.output.trim() === 'true') return `the clone is shallow and has no commit ${commit}`;
  throw new Error(`the history contains no commit ${commit}`);
}

/**
 * Checks a commit out by `git worktree` in a temporary folder and bundles its services.
 *
 * @param stubs package → source of a module in its place, for packages that the workspace no longer has.
 */
export async function buildEarlierVersion(
  commit: string,
  stubs: Readonly<Record<string, string>>,
): Promise<EarlierVersion> {
  const parent = mkdtempSync(join(tmpdir(), 'earlier-'));
  const folder = join(parent, commit.slice(0, 8));
  const remove = async (): Promise<void> => {
    await git('worktree', 'remove', '--force', folder);
    rmSync(parent, { recursive: true, force: true });
  };
  try {
    const added = await git('worktree', 'add', '--detach', folder, commit);
    if (added.code !== 0) throw new Error(`git worktree add failed: ${added.output}`);
    linkPackages(folder);
    const bundles = SERVICES.map(async (name): Promise<[ServiceName, string[]]> => {
      return [name, ['--enable-source-maps', await bundle(folder, name, stubs)]];
    });
    const args = Object.fromEntries(await Promise.all(bundles)) as Record<ServiceName, string[]>;
    return { args, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

function git(...args: string[]): ReturnType<typeof run> {
  return run('git', args, { env: process.env, cwd: workspaceRoot, timeoutMs: GIT_LIMIT_MS });
}

/** Gives a checkout the packages of the workspace, and its own workspaces. */
function linkPackages(folder: string): void {
  const packages = join(workspaceRoot, 'node_modules');
  const linked = join(folder, 'node_modules');
  mkdirSync(join(linked, '@bulk'), { recursive: true });
  for (const name of readdirSync(packages))
    if (name !== '@bulk' && !name.startsWith('.')) symlinkSync(join(packages, name), join(linked, name));
  for (const area of ['libs', 'services'])
    for (const entry of readdirSync(join(folder, area))) {
      const own = join(folder, area, entry);
      const { name } = manifestSchema.parse(JSON.parse(readFileSync(join(own, 'package.json'), 'utf8')));
      symlinkSync(own, join(linked, '@bulk', basename(name)));
    }
}

async function bundle(
  folder: string,
  service: string,
  stubs: Readonly<Record<string, string>>,
): Promise<string> {
  const outfile = join(folder, 'services', service, 'dist', 'main.js');
  await build({
    absWorkingDir: folder,
    entryPoints: [join(folder, 'services', service, 'src', 'main.ts')],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: true,
    logLevel: 'warning',
    plugins: [ownWorkspaces, stubsOf(stubs)],
  });
  return outfile;
}

const ownWorkspaces: Plugin = {
  name: 'own-workspaces',
  setup(bundler) {
    bundler.onResolve({ filter: /^@bulk\// }, ({ path, resolveDir }) => ({
      path: createRequire(join(resolveDir, 'importer.js')).resolve(path),
    }));
  },
};

function stubsOf(stubs: Readonly<Record<string, string>>): Plugin {
  const namespace = 'stubs';
  return {
    name: namespace,
    setup(bundler) {
      bundler.onResolve({ filter: /^[^./]/ }, ({ path }) =>
        path in stubs ? { path, namespace } : undefined,
      );
      bundler.onLoad({ filter: /./, namespace }, ({ path }) => ({ contents: stubs[path] ?? '' }));
    },
  };
}
