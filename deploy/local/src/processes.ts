import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

/**
 * The identity of a process: its pid and its start time, which distinguishes it from a later process with the same pid.
 * No code here signals a process by its pid alone.
 */
export const identitySchema = z.object({
  pid: z.number().int().positive(),
  startedAt: z.string().min(1),
});
export type ProcessIdentity = z.infer<typeof identitySchema>;

/**
 * Reads state and start time from the text of /proc/<pid>/stat. The command's name is in parentheses and may itself
 * contain spaces and parentheses, so fields are counted after the last one.
 */
export function parseProcStat(stat: string): { state: string; startTicks: string } | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, startTicks] = [fields[0], fields[19]];
  return state !== undefined && startTicks !== undefined ? { state, startTicks } : undefined;
}

/**
 * The id of the boot. Start ticks count from the boot, so without its id they could repeat after a restart of the
 * machine.
 */
let bootId: string | undefined;

function readStart(pid: number): string | undefined {
  try {
    const parsed = parseProcStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    // A zombie has ended. It stays if no parent collects it, as in a container without an init.
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

/** Returns the identity of a living process; undefined if no process has that pid. */
export function identify(pid: number): ProcessIdentity | undefined {
  const startedAt = readStart(pid);
  return startedAt === undefined ? undefined : { pid, startedAt };
}

/** Returns the identity of this process. */
export function ownIdentity(): ProcessIdentity {
  return identify(process.pid) ?? { pid: process.pid, startedAt: 'unknown' };
}

/** Returns whether exactly that process is still alive. */
export function isAlive(identity: ProcessIdentity): boolean {
  return readStart(identity.pid) === identity.startedAt;
}

/** Signals exactly that process. Returns false if it has already ended (or another process has its pid by now). */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Waits for the end of a process, with any parent. */
export async function waitForEnd(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (isAlive(identity)) {
    if (Date.now() >= deadline) return false;
    await delay(25);
  }
  return true;
}

/** Asks a process to end, and kills it if it has not ended within `graceMs`. */
export async function terminate(identity: ProcessIdentity, graceMs: number): Promise<void> {
  if (!signalProcess(identity, 'SIGTERM')) return;
  if (await waitForEnd(identity, graceMs)) return;
  signalProcess(identity, 'SIGKILL');
  await waitForEnd(identity, 5_000);
}
