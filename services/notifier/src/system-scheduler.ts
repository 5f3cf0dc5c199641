import { performance } from 'node:perf_hooks';
import type { Scheduler } from './subscriptions/subscription.ts';

/** The process's own monotonic clock and timers. */
export const systemScheduler: Scheduler = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, Math.ceil(ms));
    return () => clearTimeout(timer);
  },
};
