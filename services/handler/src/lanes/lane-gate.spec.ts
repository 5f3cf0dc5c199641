import { describe, expect, it } from '@jest/globals';
import type { Lane } from '@bulk/domain';
import { ConsumerStoppingError } from '@bulk/kafka';
import { LaneGate } from './lane-gate.ts';

const gateOf = (permits: number, heartbeatMs = 1_000, maxWorkMs = 60_000) =>
  new LaneGate({ permits, heartbeatMs, maxWorkMs, weights: { high: 2, normal: 1, low: 1 } });
/** A group of messages that waits at the gate. */
const groupOf = (heartbeat: () => Promise<void>, ending = new AbortController().signal) => ({
  heartbeat,
  ending,
});
const group = () => groupOf(() => Promise.resolve());

/** Work that is under way until `end` is called. */
function work(): { run: () => Promise<void>; end: () => void; begun: () => boolean } {
  let begun = false;
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  return {
    run: () => {
      begun = true;
      return ended;
    },
    end,
    begun: () => begun,
  };
}
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the lane gate', () => {
  it('withdraws the permit of work that exceeds its time limit, once', async () => {
    const gate = gateOf(1, 1_000, 20);
    const [hanging, next, last] = [work(), work(), work()];
    const hung = gate.pass('low', group(), hanging.run);
    const passed = gate.pass('low', group(), next.run);
    const waiting = gate.pass('high', group(), last.run);
    while (!last.begun()) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(next.begun()).toBe(false);
    last.end();
    await waiting;
    await settle();
    expect(next.begun()).toBe(true);
    hanging.end();
    await hung;
    // The permit of the hanging work is not given a second time.
    const another = work();
    const other = gate.pass('low', group(), another.run);
    await settle();
    expect(another.begun()).toBe(false);
    next.end();
    await passed;
    await settle();
    another.end();
    await other;
  });

  it('admits one group per permit, and the next one when a group ends or fails', async () => {
    const gate = gateOf(2);
    const [a, b, c] = [work(), work(), work()];
    const first = gate.pass('low', group(), () => a.run().then(() => Promise.reject(new Error('bad'))));
    const others = [b, c].map((one) => gate.pass('low', group(), one.run));
    const failed = expect(first).rejects.toThrow('bad');
    await settle();
    expect([a, b, c].map((one) => one.begun())).toEqual([true, true, false]);
    a.end();
    await failed;
    await settle();
    expect(c.begun()).toBe(true);
    b.end();
    c.end();
    await Promise.all(others);
  });

  it('admits waiting groups by the weights of their lanes, and in order within a lane', async () => {
    const gate = gateOf(1);
    const blocking = work();
    const order: string[] = [];
    const passes = [gate.pass('low', group(), blocking.run)];
    const wait = (lane: Lane, n: number): void => {
      passes.push(
        gate.pass(lane, group(), () => {
          order.push(`${lane} ${n}`);
          return Promise.resolve();
        }),
      );
    };
    for (let n = 1; n <= 4; n += 1) wait('normal', n);
    for (let n = 1; n <= 6; n += 1) wait('high', n);
    await settle();
    blocking.end();
    await Promise.all(passes);
    expect(order[0]).toBe('high 1');
    const place = (name: string): number => order.indexOf(name);
    expect(order.slice(0, 6).filter((one) => one.startsWith('high'))).toHaveLength(4);
    for (let n = 2; n <= 6; n += 1) expect(place(`high ${n}`)).toBeGreaterThan(place(`high ${n - 1}`));
    for (let n = 2; n <= 4; n += 1) expect(place(`normal ${n}`)).toBeGreaterThan(place(`normal ${n - 1}`));
  });

  it('sends heartbeats for a waiting group, and drops the group when its partition is lost', async () => {
    const gate = gateOf(1, 5);
    const [inside, lost, next] = [work(), work(), work()];
    const passes = [gate.pass('low', group(), inside.run)];
    let beats = 0;
    const heartbeat = (): Promise<void> => {
      beats += 1;
      return beats < 3 ? Promise.resolve() : Promise.reject(new Error('lost'));
    };
    await expect(gate.pass('high', groupOf(heartbeat), lost.run)).rejects.toThrow('lost');
    expect(beats).toBe(3);
    passes.push(gate.pass('low', group(), next.run));
    inside.end();
    await settle();
    await settle();
    expect([lost.begun(), next.begun()]).toEqual([false, true]);
    next.end();
    await Promise.all(passes);
  });

  it('passes on a permit that was granted while its group lost the partition', async () => {
    const gate = gateOf(1, 5);
    const [inside, lost, next] = [work(), work(), work()];
    const first = gate.pass('low', group(), inside.run);
    const second = gate.pass(
      'low',
      groupOf(async () => {
        inside.end();
        await first;
        throw new Error('lost');
      }),
      lost.run,
    );
    await expect(second).rejects.toThrow('lost');
    next.end();
    await gate.pass('low', group(), next.run);
    expect([lost.begun(), next.begun()]).toEqual([false, true]);
  });

  it('charges a lane for each batch that it tried, so that larger groups get no larger share', async () => {
    const gate = gateOf(1);
    const blocking = work();
    const order: Lane[] = [];
    const passes = [gate.pass('low', group(), blocking.run)];
    const wait = (lane: Lane, size: number): void => {
      passes.push(
        gate.pass(lane, group(), (turn) => {
          turn.took(size);
          order.push(lane);
          return Promise.resolve();
        }),
      );
    };
    for (let n = 0; n < 40; n += 1) wait('normal', 16);
    for (let n = 0; n < 20; n += 1) wait('high', 4);
    await settle();
    blocking.end();
    await Promise.all(passes);
    const whileBoth = order.slice(0, order.lastIndexOf('high') + 1);
    const normal = whileBoth.filter((lane) => lane === 'normal').length * 16;
    // Lane high has twice the weight of lane normal: 80 batches against 40, rounded to whole groups.
    expect(Math.abs(normal - 40)).toBeLessThanOrEqual(16);
  });

  it('refuses a group that waits when its member is about to lose the partition, and admits the others', async () => {
    const gate = gateOf(1);
    const [inside, refused, next] = [work(), work(), work()];
    const ending = new AbortController();
    const leaving = groupOf(() => Promise.resolve(), ending.signal);
    const first = gate.pass('low', leaving, inside.run);
    const second = gate.pass('low', leaving, refused.run);
    const third = gate.pass('low', group(), next.run);
    ending.abort();
    await expect(second).rejects.toThrow(ConsumerStoppingError);
    await expect(gate.pass('low', leaving, refused.run)).rejects.toThrow(ConsumerStoppingError);
    expect(next.begun()).toBe(false);
    inside.end();
    next.end();
    await Promise.all([first, third]);
    expect([refused.begun(), next.begun()]).toEqual([false, true]);
  });

  it('refuses waiting and new groups when it closes, and lets admitted groups finish', async () => {
    const gate = gateOf(1);
    const [inside, waiting] = [work(), work()];
    const first = gate.pass('high', group(), inside.run);
    const second = gate.pass('high', group(), waiting.run);
    gate.close();
    await expect(second).rejects.toThrow(ConsumerStoppingError);
    await expect(gate.pass('low', group(), waiting.run)).rejects.toThrow(ConsumerStoppingError);
    inside.end();
    await first;
    expect(waiting.begun()).toBe(false);
  });
});
