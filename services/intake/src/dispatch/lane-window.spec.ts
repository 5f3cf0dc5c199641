import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LaneWindow, minWindowForNewcomersOf, minWindowOf, type LaneWindowOptions } from './lane-window.ts';

const OPTIONS: LaneWindowOptions = { min: 4, max: 500, tolerance: 2, probeEveryMs: 10_000 };

/**
 * A lane whose handlers process `parallel` batches at a time. Each takes `workMs`, and is counted
 * `delayMs` later.
 */
class Lane {
  now = 0;
  readonly window: LaneWindow;
  readonly #servers: { parallel: number; workMs: number; delayMs: number };
  #freeAt: number[];
  #sent: { at: number; countedAt: number }[] = [];
  counted = 0;
  waits: number[] = [];

  constructor(servers: { parallel: number; workMs: number; delayMs: number }, options = OPTIONS) {
    this.window = new LaneWindow(options);
    this.#servers = servers;
    this.#freeAt = Array.from({ length: servers.parallel }, () => 0);
  }

  slowDownTo(workMs: number): void {
    this.#servers.workMs = workMs;
  }

  /** Publishes as much as the window allows and looks every 20 ms. */
  runFor(ms: number, demand = Number.POSITIVE_INFINITY): void {
    this.counted = 0;
    this.waits = [];
    for (const end = this.now + ms; this.now < end; this.now += 20) {
      const back = this.#sent.filter(({ countedAt }) => countedAt <= this.now);
      this.#sent = this.#sent.filter(({ countedAt }) => countedAt > this.now);
      this.counted += back.length;
      this.waits.push(...back.map(({ at, countedAt }) => countedAt - at));
      const size = this.window.sizeAt(this.now, false);
      const held = demand >= size;
      this.window.observe(
        back.map(({ at }) => this.now - at),
        held,
        this.now,
      );
      while (this.#sent.length < Math.min(demand, size)) this.#send();
    }
  }

  #send(): void {
    const { workMs, delayMs } = this.#servers;
    const first = this.#freeAt.indexOf(Math.min(...this.#freeAt));
    const doneAt = Math.max(this.#freeAt[first]!, this.now) + workMs;
    this.#freeAt[first] = doneAt;
    this.#sent.push({ at: this.now, countedAt: doneAt + delayMs });
  }
}

const mean = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0) / numbers.length;

describe('the minimum window', () => {
  it.each([
    [1, 2, 2],
    [6, 10, 4],
    [12, 20, 8],
    [48, 80, 32],
  ])('of a lane with %d partitions is %d batches, and %d for newcomers', (partitions, batches, fewer) => {
    expect(minWindowOf(partitions)).toBe(batches);
    expect(minWindowForNewcomersOf(partitions)).toBe(fewer);
  });
});

describe('the window of a lane', () => {
  it.each([
    { parallel: 4, workMs: 100, delayMs: 60 },
    { parallel: 4, workMs: 20, delayMs: 200 },
    { parallel: 40, workMs: 1_000, delayMs: 100 },
    { parallel: 1, workMs: 50, delayMs: 50 },
  ])('keeps handlers busy for minutes without a long queue ($parallel × $workMs ms)', (servers) => {
    const lane = new Lane(servers);
    lane.runFor(60_000);
    for (let minute = 0; minute < 5; minute += 1) {
      lane.runFor(60_000);
      const possible = (60_000 / servers.workMs) * servers.parallel;
      expect(lane.counted / possible).toBeGreaterThan(0.85);
      const atRest = servers.workMs + servers.delayMs;
      expect(mean(lane.waits)).toBeLessThan(OPTIONS.tolerance * 1.25 * atRest + 20);
    }
  });

  it('adapts to handlers that become slower and then faster again', () => {
    const lane = new Lane({ parallel: 8, workMs: 50, delayMs: 50 });
    lane.runFor(30_000);
    const before = lane.window.sizeAt(lane.now, false);
    for (const workMs of [400, 50]) {
      lane.slowDownTo(workMs);
      lane.runFor(60_000);
      lane.runFor(30_000);
      expect(lane.counted / ((30_000 / workMs) * 8)).toBeGreaterThan(0.85);
      expect(mean(lane.waits)).toBeLessThan(OPTIONS.tolerance * 1.25 * (workMs + 50) + 20);
    }
    expect(lane.window.sizeAt(lane.now, false)).toBeLessThan(before * 2);
  });

  it('is smaller than its usual minimum only while newcomers are likely', () => {
    const lane = new Lane(
      { parallel: 1, workMs: 50, delayMs: 50 },
      { ...OPTIONS, min: 10, minForNewcomers: 3 },
    );
    lane.runFor(5_000);
    expect([true, false].map((likely) => lane.window.sizeAt(lane.now, likely))).toEqual([3, 10]);
  });

  it('does not grow while less is published than it allows', () => {
    const lane = new Lane({ parallel: 100, workMs: 50, delayMs: 50 });
    lane.runFor(60_000, 3);
    expect(lane.window.sizeAt(lane.now, false)).toBe(OPTIONS.min);
  });

  it('is not interrupted by probes where it holds nothing back', () => {
    const lane = new Lane({ parallel: 100, workMs: 50, delayMs: 50 });
    const sizes = new Set<number>();
    for (let second = 0; second < 60; second += 0.1) {
      lane.runFor(100, 3);
      sizes.add(lane.window.sizeAt(lane.now, false));
    }
    expect([...sizes]).toEqual([OPTIONS.min]);
  });

  it('stays within its bounds for any measurements', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            times: fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e6, noNaN: true })), {
              maxLength: 5,
            }),
            held: fc.boolean(),
            after: fc.integer({ min: 0, max: 20_000 }),
          }),
        ),
        (looks) => {
          const window = new LaneWindow(OPTIONS);
          let now = 0;
          for (const { times, held, after } of looks) {
            now += after;
            window.observe(times, held, now);
            const size = window.sizeAt(now, false);
            expect(size).toBeGreaterThanOrEqual(1);
            expect(size).toBeLessThanOrEqual(OPTIONS.max);
          }
        },
      ),
    );
  });
});
