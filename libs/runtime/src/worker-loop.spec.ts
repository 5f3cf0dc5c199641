import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Scheduler } from './scheduler.ts';
import { UNTIL_WOKEN, WorkerLoop } from './worker-loop.ts';

/** The timers that are set: the time of each, in ms, and the function that it runs. */
let timers: { ms: number; run: () => void }[];
const scheduler: Scheduler = {
  now: () => 0,
  after: (ms, run) => {
    const timer = { ms, run };
    timers.push(timer);
    return () => {
      timers = timers.filter((other) => other !== timer);
    };
  },
};

/** Rounds that have started, in order, each with the function that ends it. */
let rounds: { end: (restMs: number) => void; fail: (error: Error) => void }[];
let loop: WorkerLoop;
beforeEach(() => {
  timers = [];
  rounds = [];
  const round = (): Promise<number> =>
    new Promise((end, fail) => {
      rounds.push({ end, fail });
    });
  loop = new WorkerLoop({ round, scheduler });
});

/** Lets everything run that waits only for promises. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
}

async function timePasses(): Promise<void> {
  const due = timers;
  timers = [];
  for (const { run } of due) run();
  await settle();
}

async function roundEnds(restMs: number): Promise<void> {
  rounds.at(-1)!.end(restMs);
  await settle();
}

/** The current rests, in ms. */
function resting(): number[] {
  return timers.map(({ ms }) => ms);
}

describe('WorkerLoop', () => {
  it('rests between two rounds for as long as the last round asked', async () => {
    loop.start();
    await timePasses();
    await roundEnds(500);
    expect([rounds.length, resting()]).toEqual([1, [500]]);
    await timePasses();
    expect(rounds).toHaveLength(2);
    await roundEnds(20);
    expect(resting()).toEqual([20]);
  });

  it('rests before its first round when started with a rest, and starts once', async () => {
    loop.start(700);
    loop.start();
    expect([rounds.length, resting()]).toEqual([0, [700]]);
    await timePasses();
    expect(rounds).toHaveLength(1);
  });

  it('ends a rest at once when woken and leaves no timer behind', async () => {
    loop.start(700);
    loop.wake();
    await settle();
    expect([rounds.length, resting()]).toEqual([1, []]);
  });

  it('follows a wake during a round with exactly one more round', async () => {
    loop.start();
    await timePasses();
    loop.wake();
    loop.wake();
    expect(rounds).toHaveLength(1);
    await roundEnds(500);
    expect([rounds.length, resting()]).toEqual([2, []]);
    await roundEnds(500);
    expect([rounds.length, resting()]).toEqual([2, [500]]);
  });

  it('rests without a timer until it is woken when a round asks for it', async () => {
    loop.start();
    await timePasses();
    await roundEnds(UNTIL_WOKEN);
    expect([rounds.length, resting()]).toEqual([1, []]);
    loop.wake();
    await settle();
    expect(rounds).toHaveLength(2);
  });

  it('starts no round after a stop, which waits for the round under way', async () => {
    loop.start();
    await timePasses();
    const states: string[] = [];
    const stopped = loop.stop().then(() => states.push('stopped'));
    await settle();
    expect([states, loop.stopping]).toEqual([[], true]);
    loop.wake();
    await roundEnds(0);
    await stopped;
    loop.start();
    loop.wake();
    await timePasses();
    expect([states, rounds.length, resting()]).toEqual([['stopped'], 1, []]);
  });

  it('stops at once when it rests or was never started', async () => {
    loop.start(500);
    await loop.stop();
    expect([rounds.length, resting()]).toEqual([0, []]);
    await new WorkerLoop({ round: () => Promise.resolve(0), scheduler }).stop();
  });

  it('ends with the error of a round that fails', async () => {
    loop.start();
    await timePasses();
    rounds[0]!.fail(new Error('a bug'));
    await expect(loop.stop()).rejects.toThrow('a bug');
    expect(rounds).toHaveLength(1);
  });
});
