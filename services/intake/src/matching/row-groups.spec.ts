import { describe, expect, it } from '@jest/globals';
import { groupsOf } from './row-groups.ts';

const bounds = { rows: 3, bytes: 100, waitMs: 60_000 };

async function collected<T>(groups: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const group of groups) all.push(group);
  return all;
}

describe('groupsOf', () => {
  it('closes a group when it has enough rows or bytes, and at the end', async () => {
    expect(await collected(groupsOf([1, 2, 3, 4], bounds, () => 1))).toEqual([[1, 2, 3], [4]]);
    expect(await collected(groupsOf([1, 2, 3], { ...bounds, bytes: 2 }, () => 1))).toEqual([[1, 2], [3]]);
    expect(await collected(groupsOf([], bounds, () => 1))).toEqual([]);
  });

  it('hands over what has arrived while the next row is late, and loses nothing', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const rows = async function* (): AsyncGenerator<number> {
      yield 1;
      await held;
      yield 2;
    };
    const groups = groupsOf(rows(), { ...bounds, waitMs: 1 }, () => 1);
    expect((await groups.next()).value).toEqual([1]);
    release();
    expect(await collected(groups)).toEqual([[2]]);
  });

  it('throws the error of a row, also of one that was requested during an earlier group', async () => {
    const rows = async function* (): AsyncGenerator<number> {
      yield 1;
      await Promise.resolve();
      throw new Error('broken');
    };
    await expect(collected(groupsOf(rows(), bounds, () => 1))).rejects.toThrow('broken');
    const slow = groupsOf(rows(), { ...bounds, waitMs: 0 }, () => 1);
    await expect(collected(slow)).rejects.toThrow('broken');
  });

  it('closes its source when its reader stops', async () => {
    let closed = false;
    const rows = function* (): Generator<number> {
      try {
        for (let i = 0; ; i += 1) yield i;
      } finally {
        closed = true;
      }
    };
    for await (const group of groupsOf(rows(), bounds, () => 1)) {
      expect(group).toEqual([0, 1, 2]);
      break;
    }
    expect(closed).toBe(true);
  });
});
