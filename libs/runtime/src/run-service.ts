import { DependencyWatch, type ProbeTimes } from './dependency-watch.ts';
import { Health } from './health.ts';
import type { Logger } from './logger.ts';
import { Releasers } from './releasers.ts';
import type { Redact } from './secrets.ts';

/** What a service gets to work with while it starts and runs. */
export interface ServiceContext {
  readonly log: Logger;
  readonly health: Health;
  /** Follows what the service needs, once it is open. */
  readonly dependencies: DependencyWatch;
  readonly releasers: Releasers;
  /** Aborts when the service is told to stop. */
  readonly signal: AbortSignal;
  /** Ends the process with exit code 1 after an orderly stop: for a fault that only a restart mends. */
  readonly fail: (error: unknown) => void;
}

export interface RunServiceOptions {
  readonly log: Logger;
  /** Takes secrets out of what `/readyz` says. */
  readonly redact?: Redact;
  /** Longest time from the signal to the end, in ms. */
  readonly graceMs: number;
  /** How often, and for how long, dependencies are asked whether they are there. */
  readonly probes: ProbeTimes;
  readonly start: (context: ServiceContext) => Promise<void>;
}

/**
 * Runs a service until SIGTERM or SIGINT, then stops it in order: not ready, stop taking work, finish or hand back what
 * is under way, disconnect. Exit code 0 after a stop, also where a step hung and was left behind; 1 when the start
 * failed, a fault was fatal, or the process was too busy to end within the grace time.
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
        log.error({ graceMs }, 'grace time is over, ending hard');
        process.exit(1);
      }, graceMs);
      killer.unref();
      await releasers.releaseAll(graceMs);
      log.info({ exitCode }, 'stopped');
      process.exit(exitCode);
    })();
    return stopped;
  };
  const fail = (error: unknown): void => {
    if (stopped !== undefined) return;
    exitCode = 1;
    log.fatal({ err: error }, 'fatal, stopping');
    void stop();
  };

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopped === undefined) log.info({ signal }, 'stopping');
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
