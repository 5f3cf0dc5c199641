import { readdirSync, readlinkSync } from 'node:fs';
import { stackPaths } from '../src/paths.ts';

/** Returns the processes of a stack that the kernel knows, independent of the state file: they work in its folder. */
export function processesOf(name: string): number[] {
  const { root } = stackPaths(name);
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        return `${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${root}/`);
      } catch {
        return false;
      }
    })
    .map(Number);
}
