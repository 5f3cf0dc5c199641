import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const SKIPPED = new Set(['node_modules', 'dist', 'coverage']);

/**
 * Returns the paths of the files below a folder whose names have this ending. Skips hidden and
 * generated folders.
 */
export function workspaceFiles(root: string, ending: string, folder = ''): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory())
      return SKIPPED.has(entry.name) || entry.name.startsWith('.') ? [] : workspaceFiles(root, ending, path);
    return entry.name.endsWith(ending) ? [path] : [];
  });
}
