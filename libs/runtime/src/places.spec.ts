import { describe, expect, it } from '@jest/globals';
import { EntitySlots } from './entity-slots.ts';

describe('EntitySlots', () => {
  it('runs at most as much work at the same time as there are slots, also after an error', async () => {
    const slots = new EntitySlots(2);
    let now = 0;
    let most = 0;
    const runs = Array.from({ length: 7 }, (_, i) =>
      slots.run(async () => {
        most = Math.max(most, (now += 1));
        await new Promise((resolve) => setImmediate(resolve));
        now -= 1;
        if (i === 1) throw new Error('broken');
      }),
    );
    const ended = await Promise.allSettled(runs);
    expect(ended.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    expect(most).toBe(2);
  });
});
