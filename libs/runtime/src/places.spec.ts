import { describe, expect, it } from '@jest/globals';
import { Places } from './places.ts';

describe('Places', () => {
  it('runs at most as much work at the same time as there are places, also after an error', async () => {
    const places = new Places(2);
    let now = 0;
    let most = 0;
    const runs = Array.from({ length: 7 }, (_, i) =>
      places.run(async () => {
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
