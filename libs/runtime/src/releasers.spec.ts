import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createLogger } from './logger.ts';
import { Releasers } from './releasers.ts';

const TOTAL_MS = 30_000;
const STEPS = 8;

let lines: { step: string; msg: string }[];
let releasers: Releasers;
/** The steps that were started, with the time since the start of the stop and the time limit of each, in ms. */
let begun: { name: string; at: number; limitMs: number }[];
let startedAt: number;
beforeEach(() => {
  jest.useFakeTimers();
  lines = [];
  begun = [];
  startedAt = performance.now();
  const write = (line: string): number => lines.push(JSON.parse(line) as { step: string; msg: string });
  releasers = new Releasers(createLogger({ service: 'test', level: 'warn', format: 'json' }, { write }));
});
afterEach(() => {
  jest.useRealTimers();
});

function step(name: string, ms = 0): [string, (limitMs: number) => Promise<void>] {
  return [
    name,
    async (limitMs) => {
      begun.push({ name, at: performance.now() - startedAt, limitMs });
      await new Promise<void>((resolve) => {
        if (ms < Infinity) setTimeout(resolve, ms);
      });
    },
  ];
}

/** @returns the duration in ms. */
async function releaseAll(totalMs: number): Promise<number> {
  let tookMs = Number.NaN;
  const released = releasers.releaseAll(totalMs).then(() => (tookMs = performance.now() - startedAt));
  await jest.advanceTimersByTimeAsync(2 * totalMs);
  await released;
  return tookMs;
}

describe('Releasers', () => {
  it('close the last opened first, one after the other', async () => {
    releasers.push(...step('first', 10));
    releasers.push(...step('second', 20));
    releasers.push(...step('third', 30));
    expect(await releaseAll(TOTAL_MS)).toBe(60);
    expect(begun.map(({ name, at }) => [name, at])).toEqual([
      ['third', 0],
      ['second', 30],
      ['first', 50],
    ]);
    expect(lines).toEqual([]);
  });

  it('run every step and end in time when one step hangs', async () => {
    for (let i = STEPS; i > 0; i -= 1) releasers.push(...step(String(i), i === 1 ? Infinity : 100));
    expect(await releaseAll(TOTAL_MS)).toBeLessThan(TOTAL_MS);
    expect(begun.map(({ name }) => name)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
    expect(lines).toMatchObject([{ step: '1', msg: 'Release step failed' }]);
  });

  it.each([300, 5_000, TOTAL_MS])('end within %i ms when all steps hang', async (totalMs) => {
    for (let i = 0; i < STEPS; i += 1) releasers.push(...step(String(i), Infinity));
    expect(await releaseAll(totalMs)).toBeLessThan(totalMs);
    expect(begun).toHaveLength(STEPS);
  });

  it('give a step all of the time except one second for each later step', async () => {
    for (let i = 0; i < STEPS; i += 1) releasers.push(...step(String(i)));
    await releaseAll(TOTAL_MS);
    expect(begun[0]!.limitMs).toBe(TOTAL_MS * 0.95 - (STEPS - 1) * 1_000);
    expect(Math.round(begun.at(-1)!.limitMs / 100) * 100).toBe(TOTAL_MS * 0.95);
  });

  it('start a marked step at once and wait for it in its turn', async () => {
    releasers.push(...step('database'));
    releasers.push(...step('dispatcher', 500), { atOnce: true });
    releasers.push(...step('http server', 200));
    await releaseAll(TOTAL_MS);
    expect(begun.map(({ name, at }) => [name, at])).toEqual([
      ['dispatcher', 0],
      ['http server', 0],
      ['database', 500],
    ]);
  });

  it('continue after a step that fails, at once or in its turn', async () => {
    releasers.push(...step('last'));
    releasers.push('rejects', () => Promise.reject(new Error('broken')), { atOnce: true });
    releasers.push('throws', () => {
      throw new Error('broken');
    });
    await releaseAll(TOTAL_MS);
    expect(begun.map(({ name }) => name)).toEqual(['last']);
    expect(lines.map((line) => line.step).sort()).toEqual(['rejects', 'throws']);
  });

  it('close everything once when called several times', async () => {
    releasers.push(...step('only', 100));
    await Promise.all([releaseAll(TOTAL_MS), releasers.releaseAll(1)]);
    expect(begun).toHaveLength(1);
  });
});
