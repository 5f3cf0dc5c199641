import { DependencyWatch, type ProbeTimes } from './dependency-watch.ts';
import { Health } from './health.ts';
import type { Logger } from './logger.ts';
import { Releasers } from './releasers.ts';
import type { Redact } from './secrets.ts';

/** The facilities that a service gets for its start and its work. */
export interface ServiceContext {
  readonly log: Logger;
  readonly health: Health;
  /** Tracks the health of opened dependencies. */
  readonly dependencies: DependencyWatch;
  readonly releasers: Releasers;
  /** Aborts when the service is asked to stop. */
  readonly signal: AbortSignal;
  /** Stops the service in order and ends the process with exit code 1: for a fault that only a restart fixes. */
  readonly fail: (error: unknown) => void;
}

export interface RunServiceOptions {
  readonly log: Logger;
  /** Removes secrets from the output of `/readyz` and `/healthz`. */
  readonly redact?: Redact;
  /** Maximum time from the signal to the end of the process, in ms. */
  readonly graceMs: number;
  /** Intervals and time limits of the probes of dependencies. */
  readonly probes: ProbeTimes;
  readonly start: (context: ServiceContext) => Promise<void>;
}

/**
 * Runs a service until SIGTERM or SIGINT, then stops it in order: report not ready, accept no new work, finish or hand
 * back the work under way, disconnect.
 *
 * The exit code is 0 after a stop, even if a step hung and was abandoned. It is 1 if the start failed, a fault was
 * fatal, or the process was too busy to end within the grace time.
 */
export async function runService({ log, redact, graceMs, probes, start }: RunServiceOptions): Promise<void> {
  const abort = new AbortController();
  const health = new Health(log, redact);
  const dependencies = new DependencyWatch({ ...probes, health, signal: abort.signal });
  const releasers = new Releasers(log);
  let exitCode = 0;
  let stopped: Promise<void> | undefined;

  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      health.stop();
      abort.abort(new Error('the service is stopping'));
      const killer = setTimeout(() => {
        log.error({ graceMs }, 'Grace time exceeded; exiting at once');
        process.exit(1);
      }, graceMs);
      killer.unref();
      await releasers.releaseAll(graceMs);
      log.info({ exitCode }, 'Service stopped');
      process.exit(exitCode);
    })();
    return stopped;
  };
  const fail = (error: unknown): void => {
    if (stopped !== undefined) return;
    exitCode = 1;
    log.fatal({ err: error }, 'Fatal error; stopping');
    void stop();
  };

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopped === undefined) log.info({ signal }, 'Service stopping');
      void stop();
    });
  }
  process.on('unhandledRejection', fail);
  process.on('uncaughtException', fail);

  try {
    await start({ log, health, dependencies, releasers, signal: abort.signal, fail });
  } catch (error) {
    if (!abort.signal.aborted) fail(error);
  }
}
