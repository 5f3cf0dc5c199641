import { join } from 'node:path';
import { StackError } from '../errors.ts';
import { provideGo } from './go.ts';
import { isExecutable, findOnPath, run, tail, type ProvisionContext } from './tools.ts';
import { withLock } from '../lock.ts';

const version = 'v5.5.0';
const remedy = 'npm run test:integration   # once the cause is gone';

/** The command that prints the result of a kustomization; append its folder. */
export type KustomizeCommand = readonly [program: string, ...args: string[]];

/**
 * Provides Kustomize 5: that of kubectl, else one on the PATH, else one that Go builds once into the cache. Go is
 * fetched if it is missing.
 *
 * @throws StackError MISSING_TOOL, INSTALL_FAILED.
 */
export async function provideKustomize(context: ProvisionContext): Promise<KustomizeCommand> {
  const kubectl = findOnPath('kubectl', context.env);
  if (kubectl !== undefined && (await isRecent(context, [kubectl, 'version', '--client', '-o', 'json'])))
    return [kubectl, 'kustomize'];
  const own = findOnPath('kustomize', context.env);
  if (own !== undefined && (await isRecent(context, [own, 'version']))) return [own, 'build'];
  return [await build(context), 'build'];
}

/** Returns whether the output names a Kustomize of version 5: older ones lack features that the manifests use. */
async function isRecent(context: ProvisionContext, [program = '', ...args]: string[]): Promise<boolean> {
  const { code, output } = await run(program, args, { ...context, timeoutMs: 20_000 });
  return code === 0 && /(^|"kustomizeVersion":\s*")v?5\./m.test(output);
}

async function build(context: ProvisionContext): Promise<string> {
  const folder = join(context.cache, `kustomize-${version}`);
  const binary = join(folder, 'kustomize');
  if (isExecutable(binary)) return binary;
  const go = await provideGo(context);
  return withLock(`${folder}.lock`, { timeoutMs: 900_000, signal: context.signal }, async () => {
    if (isExecutable(binary)) return binary;
    context.log(`tests: building kustomize ${version} with Go (once)…`);
    const env = { ...context.env, GOBIN: folder, CGO_ENABLED: '0', GOFLAGS: '-trimpath' };
    const made = await run(go, ['install', `sigs.k8s.io/kustomize/kustomize/v5@${version}`], {
      ...context,
      env,
    });
    if (made.code === 0) return binary;
    throw new StackError('INSTALL_FAILED', `go install of kustomize failed:\n${tail(made.output)}`, remedy);
  });
}
