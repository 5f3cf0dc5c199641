import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { unpackPackage } from './apt.ts';
import { provideFolder } from './artifacts.ts';
import { findOnPath, type ProvisionContext } from './tools.ts';

/**
 * Provides Prometheus' promtool, which checks and tests alert rules: the PATH's, or the one in Debian's package
 * `prometheus`. The package is only unpacked into the cache, since an installation would start a Prometheus.
 *
 * @throws StackError MISSING_TOOL, INSTALL_FAILED.
 */
export async function providePromtool(context: ProvisionContext): Promise<string> {
  const onPath = findOnPath('promtool', context.env);
  if (onPath !== undefined) return onPath;
  mkdirSync(context.cache, { recursive: true });
  const folder = await provideFolder(context, {
    name: 'promtool',
    fill: async (draft) => {
      await unpackPackage(context, 'prometheus', draft);
      // It keeps only one program of the package.
      renameSync(join(draft, 'usr', 'bin', 'promtool'), join(draft, 'promtool'));
      for (const rest of ['etc', 'lib', 'usr', 'var'])
        rmSync(join(draft, rest), { recursive: true, force: true });
    },
  });
  return join(folder, 'promtool');
}
