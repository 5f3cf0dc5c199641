import { DependencyWatch, Health, Releasers, silentLogger, type ServiceContext } from '@bulk/runtime';

/** A service that a test runs inside its own process. */
export interface InProcessService {
  readonly context: ServiceContext;
  /** The errors that the service called fatal; empty if there is none. */
  readonly failures: readonly unknown[];
  /**
   * Stops the service in order, as SIGTERM would.
   *
   * @param graceMs time limit in ms. @default 20,000
   */
  stop(graceMs?: number): Promise<void>;
}

const GRACE_MS = 20_000;

/** Creates a context for `start` functions of services, without a process of their own. */
export function inProcessService(): InProcessService {
  const log = silentLogger();
  const abort = new AbortController();
  const releasers = new Releasers(log);
  const failures: unknown[] = [];
  const health = new Health(log);
  const context: ServiceContext = {
    log,
    health,
    dependencies: new DependencyWatch({ health, signal: abort.signal, intervalMs: 200, timeoutMs: 2_000 }),
    releasers,
    signal: abort.signal,
    fail: (error) => failures.push(error),
  };
  return {
    context,
    failures,
    stop: async (graceMs = GRACE_MS) => {
      context.health.stop();
      abort.abort(new Error('the service is stopping'));
      await releasers.releaseAll(graceMs);
    },
  };
}
