import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { unpackPackage } from './apt.ts';
import { provideFolder } from './artifacts.ts';
import { findOnPath, type ProvisionContext } from './tools.ts';

/**
 * Provides Prometheus' promtool, which checks and tests alert rules: the PATH's, or the one in Debian's package
 * `prometheus`.
 *
 * @throws StackError MISSING_TOOL, INSTALL_FAILED.
 */
export function providePromtool(context: ProvisionContext): Promise<string> {
  return provideTool(context, 'promtool', 'prometheus');
}

/**
 * Provides Alertmanager's amtool, which checks its configuration: the PATH's, or the one in Debian's package
 * `prometheus-alertmanager`.
 *
 * @throws StackError MISSING_TOOL, INSTALL_FAILED.
 */
export function provideAmtool(context: ProvisionContext): Promise<string> {
  return provideTool(context, 'amtool', 'prometheus-alertmanager');
}

/** The package is only unpacked into the cache, since an installation would start a server. */
async function provideTool(context: ProvisionContext, tool: string, debian: string): Promise<string> {
  const onPath = findOnPath(tool, context.env);
  if (onPath !== undefined) return onPath;
  mkdirSync(context.cache, { recursive: true });
  const folder = await provideFolder(context, {
    name: tool,
    fill: async (draft) => {
      await unpackPackage(context, debian, draft);
      // It keeps only one program of the package.
      renameSync(join(draft, 'usr', 'bin', tool), join(draft, tool));
      for (const rest of ['etc', 'lib', 'usr', 'var'])
        rmSync(join(draft, rest), { recursive: true, force: true });
    },
  });
  return join(folder, tool);
}
