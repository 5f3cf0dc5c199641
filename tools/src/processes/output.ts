import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * The destination of a service's output: a log file, this process' own output, or a callback, line
 * by line.
 */
export type ServiceOutput =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'inherit' }
  | { readonly kind: 'lines'; readonly onLine: (line: string) => void };

const TAIL_BYTES = 64 * 1024;

/** Renames the log of a former run to `.old`, so that a log covers one run. */
export function beginLog(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  if (existsSync(path)) renameSync(path, `${path}.old`);
}

/** Opens a log for appending. */
export function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true });
  return openSync(path, 'a');
}

/** Returns the last lines of a log, at most 64 KiB of it. */
export function tailOfLog(path: string, lines: number): string {
  if (!existsSync(path)) return '';
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
    readSync(file, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } finally {
    closeSync(file);
  }
}
