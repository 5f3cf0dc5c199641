import { performance } from 'node:perf_hooks';

/** Time, as far as work needs it that waits; injected, so that a test can let it pass. */
export interface Scheduler {
  /** Milliseconds since some fixed instant; never goes back. */
  now(): number;
  /** Calls `run` once after `ms`; the function given back prevents that. */
  after(ms: number, run: () => void): () => void;
}

/** The process's own monotonic clock and timers. */
export const systemScheduler: Scheduler = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, Math.ceil(ms));
    return () => clearTimeout(timer);
  },
};

/** As `systemScheduler`, but a timer alone does not keep the process running. */
export const backgroundScheduler: Scheduler = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, Math.ceil(ms)).unref();
    return () => clearTimeout(timer);
  },
};
