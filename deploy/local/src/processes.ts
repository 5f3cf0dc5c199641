import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

/**
 * A process, told apart from any later one that was given the same pid: by the moment it started.
 * Nothing here is ever signalled by pid alone.
 */
export const identitySchema = z.object({
  pid: z.number().int().positive(),
  startedAt: z.string().min(1),
});
export type ProcessIdentity = z.infer<typeof identitySchema>;

/**
 * Reads state and start time out of the text of /proc/<pid>/stat. The command's name stands in
 * parentheses and may itself hold spaces and parentheses, so fields are counted after the last one.
 */
export function parseProcStat(stat: string): { state: string; startTicks: string } | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, startTicks] = [fields[0], fields[19]];
  return state !== undefined && startTicks !== undefined ? { state, startTicks } : undefined;
}

/** Start ticks count from boot, so without the boot's id they could repeat after a restart of the machine. */
let bootId: string | undefined;

function readStart(pid: number): string | undefined {
  try {
    const parsed = parseProcStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    // A zombie has ended; nobody may have collected it, as in a container without an init.
    if (parsed === undefined || parsed.state === 'Z' || parsed.state === 'X') return undefined;
    bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${bootId}:${parsed.startTicks}`;
  } catch {
    return process.platform === 'linux' ? undefined : startFromPs(pid);
  }
}

function startFromPs(pid: number): string | undefined {
  try {
    const text = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    return text === '' ? undefined : text;
  } catch {
    return undefined;
  }
}

/** Identity of a living process; undefined when there is none of that pid. */
export function identify(pid: number): ProcessIdentity | undefined {
  const startedAt = readStart(pid);
  return startedAt === undefined ? undefined : { pid, startedAt };
}

/** Identity of this process. */
export function ownIdentity(): ProcessIdentity {
  return identify(process.pid) ?? { pid: process.pid, startedAt: 'unknown' };
}

/** Whether that very process still lives. */
export function isAlive(identity: ProcessIdentity): boolean {
  return readStart(identity.pid) === identity.startedAt;
}

/** Signals that very process; false when it has already ended (or the pid is somebody else's by now). */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Waits for the end of a process, whoever its parent is. */
export async function waitForEnd(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (isAlive(identity)) {
    if (Date.now() >= deadline) return false;
    await delay(25);
  }
  return true;
}

/** Asks a process to end, and ends it when it has not done so within `graceMs`. */
export async function terminate(identity: ProcessIdentity, graceMs: number): Promise<void> {
  if (!signalProcess(identity, 'SIGTERM')) return;
  if (await waitForEnd(identity, graceMs)) return;
  signalProcess(identity, 'SIGKILL');
  await waitForEnd(identity, 5_000);
}
