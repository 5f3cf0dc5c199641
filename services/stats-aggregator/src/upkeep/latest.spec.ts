import { beforeEach, expect, it } from '@jest/globals';
import type { Logger, Scheduler } from '@bulk/runtime';
import { Latest } from './latest.ts';

let now: number;
let timers: { at: number; run: () => void }[];
const scheduler: Scheduler = {
  now: () => now,
  after: (ms, run) => {
    const timer = { at: now + ms, run };
    timers.push(timer);
    return () => {
      timers = timers.filter((other) => other !== timer);
    };
  },
};
const log = { debug: () => undefined } as unknown as Logger;

/** Lets reads that have started end. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function advance(ms: number): Promise<void> {
  const end = now + ms;
  for (let due = next(end); due !== undefined; due = next(end)) {
    now = due.at;
    timers = timers.filter((other) => other !== due);
    due.run();
    await settled();
  }
  now = end;
}

const next = (end: number) => timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];

beforeEach(() => {
  now = 0;
  timers = [];
});

it('reads at intervals and drops a value that could not be read for three of them', async () => {
  const results = [() => 'first', () => 'second'];
  const latest = new Latest({
    name: 'tested',
    intervalMs: 60_000,
    scheduler,
    log,
    read: () => {
      const result = results.shift();
      return result === undefined ? Promise.reject(new Error('unavailable')) : Promise.resolve(result());
    },
  });
  expect(latest.value).toBeUndefined();
  latest.start();
  await advance(1);
  expect(latest.value).toBe('first');
  await advance(60_000);
  expect(latest.value).toBe('second');
  await advance(170_000);
  expect(latest.value).toBe('second');
  await advance(20_000);
  expect(latest.value).toBeUndefined();
  await latest.stop();
  expect(timers).toEqual([]);
});
