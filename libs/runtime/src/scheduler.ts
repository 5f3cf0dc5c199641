import { performance } from 'node:perf_hooks';

/** A clock with timers. It is injected, so that a test can advance the time. */
export interface Scheduler {
  /** Returns the milliseconds since some fixed instant. It never goes back. */
  now(): number;
  /** Calls `run` once after `ms` milliseconds. @returns a function that cancels the call. */
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

/** Like `systemScheduler`, but a timer alone does not keep the process running. */
export const backgroundScheduler: Scheduler = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, Math.ceil(ms)).unref();
    return () => clearTimeout(timer);
  },
};
