import { setMaxListeners } from 'node:events';
import { CodedError } from '@bulk/domain';
import { redactorOf, Releasers, secretsOf, silentLogger } from '@bulk/runtime';

/** The context of a command. */
export interface CommandContext {
  /** Aborts at Ctrl-C or SIGTERM. Its reason is an `Interrupted`. */
  readonly signal: AbortSignal;
  /** Closes what was opened, at the end and in the opposite order, however the command ends. */
  readonly releasers: Releasers;
}

/** The reason of an abort by a signal. */
export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') {
    super(`ended by ${signal}`);
    this.exitCode = 128 + { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }[signal];
  }
}

/** Longest time to close one thing, in ms: a service's own grace time and a little more. */
const RELEASE_MS = 60_000;

/**
 * Runs a command at the edge of the process: signals, faults, exit code.
 *
 * The first Ctrl-C ends the command in order, the second at once. The kernel ties child processes
 * to this one, so that nothing stays behind in either case.
 */
export async function runCommand(work: (context: CommandContext) => Promise<void>): Promise<void> {
  const abort = new AbortController();
  // Everything that waits listens to this one signal, so that many listeners are no leak.
  setMaxListeners(0, abort.signal);
  const releasers = new Releasers(silentLogger());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      const reason = new Interrupted(signal);
      if (abort.signal.aborted) process.exit(reason.exitCode);
      abort.abort(reason);
    });
  }
  let exitCode = 0;
  try {
    await work({ signal: abort.signal, releasers });
  } catch (error) {
    exitCode = report(error, abort.signal);
  }
  await releasers.releaseAll(RELEASE_MS);
  process.exit(exitCode);
}

function report(error: unknown, signal: AbortSignal): number {
  const { reason } = signal as { reason: unknown };
  if (signal.aborted && reason instanceof Interrupted) {
    process.stderr.write(`\n${reason.message}\n`);
    return reason.exitCode;
  }
  // The error of a driver may contain a URL with its password.
  const redact = redactorOf(secretsOf(process.env));
  process.stderr.write(`\n${redact(describe(error))}\n`);
  return 1;
}

function describe(error: unknown): string {
  // An error of the local stack says in its text how to fix it.
  if (error instanceof Error && error.name === 'StackError') return error.toString();
  if (error instanceof CodedError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
