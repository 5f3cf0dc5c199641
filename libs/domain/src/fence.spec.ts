import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { judge, type Fence } from './fence.ts';

const at = (offset: number) => ({ lane: 'normal', partition: 3, offset }) as const;

describe('judge', () => {
  it('lets a batch change an entity once, in the order of offsets, whatever is redelivered', () => {
    const deliveries = fc.array(fc.nat(20), { maxLength: 80 });
    fc.assert(
      fc.property(deliveries, (offsets) => {
        let fence: Fence | undefined;
        const applied: number[] = [];
        for (const offset of offsets) {
          if (judge(fence, at(offset)) !== 'apply') continue;
          fence = { partition: 3, offset };
          applied.push(offset);
        }
        expect(applied).toEqual([...new Set(applied)].sort((a, b) => a - b));
        expect(fence?.offset).toBe(offsets.length === 0 ? undefined : Math.max(...offsets));
      }),
    );
  });

  it('distinguishes a replay from a batch that a later owner has overtaken', () => {
    const fence = { partition: 3, offset: 7 };
    expect(judge(undefined, at(0))).toBe('apply');
    expect(judge(fence, at(8))).toBe('apply');
    expect(judge(fence, at(7))).toBe('replay');
    expect(judge(fence, at(6))).toBe('superseded');
  });
});
