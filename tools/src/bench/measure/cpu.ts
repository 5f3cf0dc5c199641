import { readFileSync } from 'node:fs';

/** Linux reports CPU times to programs in ticks of this length, in ms, on every architecture. */
const TICK_MS = 10;

/** Places of `utime` and `stime` after the name of the program in `/proc/<pid>/stat`. */
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;

/**
 * Returns the CPU time of `/proc/<pid>/stat`, in ms.
 *
 * The name of the program stands in parentheses and may itself contain spaces and parentheses.
 *
 * @throws Error if the text has no such times.
 */
export function cpuTimeOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS]);
  if (!Number.isFinite(ticks)) throw new Error(`no CPU times in "${stat}"`);
  return ticks * TICK_MS;
}

/** Returns the CPU time that a process has used so far, in ms; `undefined` if it is gone or /proc is absent. */
export function cpuTime(pid: number): number | undefined {
  try {
    return cpuTimeOf(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Returns the CPU time of each named process, in ms. Processes that are gone are absent. */
export function cpuTimes(pids: ReadonlyMap<string, number>): Map<string, number> {
  const times = new Map<string, number>();
  for (const [name, pid] of pids) {
    const time = cpuTime(pid);
    if (time !== undefined) times.set(name, time);
  }
  return times;
}
