import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Folder of this package. */
export const packageRoot = resolve(import.meta.dirname, '..');

/** Root of the workspace, wherever the command was started from. */
export const workspaceRoot = resolve(packageRoot, '..', '..');

/** The variable that moves the user's caches. */
interface CacheVariables {
  readonly XDG_CACHE_HOME?: string | undefined;
}

/** Returns the folder of downloads, which all checkouts and all stacks of a user share. */
export function cacheFolder({ XDG_CACHE_HOME }: CacheVariables = process.env): string {
  return join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'bulk-action-platform');
}

/** The files and folders of one stack. */
export interface StackPaths {
  readonly name: string;
  readonly root: string;
  readonly state: string;
  readonly env: string;
  readonly lock: string;
  readonly ports: string;
  readonly control: string;
  readonly data: (folder: string) => string;
  readonly log: (part: string) => string;
}

export function stackPaths(name: string, base = join(workspaceRoot, '.stack')): StackPaths {
  const root = join(base, name);
  return {
    name,
    root,
    state: join(root, 'state.json'),
    env: join(root, 'env'),
    lock: join(root, 'lock'),
    ports: join(root, 'ports.json'),
    control: join(root, 'control.sock'),
    data: (folder) => join(root, 'data', folder),
    log: (part) => join(root, 'logs', `${part}.log`),
  };
}
