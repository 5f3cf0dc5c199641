import { createRequire } from 'node:module';
import { join } from 'node:path';

/** Creates the esbuild plugin that puts workspaces into a bundle. Other packages stay outside (`packages: 'external'`). */
export function bundleWorkspaces() {
  return {
    name: 'bundle-workspaces',
    setup({ onResolve }) {
      onResolve({ filter: /^@bulk\// }, ({ path, resolveDir }) => ({
        path: createRequire(join(resolveDir, 'importer.js')).resolve(path),
      }));
    },
  };
}
