import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EventQueue } from './event-queue.ts';

describe('EventQueue', () => {
  it('returns events in the order of their time, and those of one time as they were added', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 50 }), (times) => {
        const queue = new EventQueue();
        for (const at of times) queue.add(at, () => undefined);
        const taken = times.map(() => queue.take()!);
        const expected = times
          .map((at, order) => ({ at, order }))
          .sort((a, b) => a.at - b.at || a.order - b.order);
        expect(taken.map(({ at, order }) => ({ at, order }))).toEqual(expected);
        expect([queue.size, queue.take()]).toEqual([0, undefined]);
      }),
    );
  });
});
