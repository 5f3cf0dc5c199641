import { describe, expect, it } from '@jest/globals';
import { GroupCommit, type GroupLimits } from './group-commit.ts';

interface Item {
  readonly name: string;
  readonly operations: number;
  readonly bytes: number;
  readonly rank: number;
  readonly urgency: number;
}

const item = (name: string, operations = 1, bytes = 1, rank = 0, urgency = 0): Item => ({
  name,
  operations,
  bytes,
  rank,
  urgency,
});
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Notes the groups, and ends each of them when asked. */
function recorder(limits: Partial<GroupLimits> = {}) {
  const groups: string[] = [];
  const ends: (() => void)[] = [];
  const commit = new GroupCommit<Item>(
    { concurrency: 1, operations: 10, bytes: 100, ...limits },
    async (group) => {
      groups.push(group.map(({ name }) => name).join(''));
      await new Promise<void>((resolve) => ends.push(resolve));
    },
  );
  const end = async (): Promise<void> => {
    ends.shift()?.();
    await turn();
    await turn();
  };
  return { groups, commit, end };
}

describe('GroupCommit', () => {
  it('commits the work of one turn of the event loop as one group, in order', async () => {
    const { groups, commit } = recorder();
    for (const name of 'ab') commit.add(item(name));
    await Promise.resolve();
    commit.add(item('c'));
    await turn();
    expect(groups).toEqual(['abc']);
  });

  it('collects work while the maximum number of groups is under way, and commits it as the next group', async () => {
    const { groups, commit, end } = recorder({ concurrency: 2 });
    for (const name of 'abcd') {
      commit.add(item(name));
      await turn();
    }
    expect(groups).toEqual(['a', 'b']);
    await end();
    expect(groups).toEqual(['a', 'b', 'cd']);
  });

  it('starts one more group for work that is more urgent than all that is under way', async () => {
    const { groups, commit, end } = recorder({ concurrency: 2 });
    for (const name of 'abc') {
      commit.add(item(name, 1, 1, 5, 1));
      await turn();
    }
    commit.add(item('u', 1, 1, 1, 0));
    await turn();
    expect(groups).toEqual(['a', 'b', 'u']);
    // A second one must wait, because urgent work is under way.
    commit.add(item('v', 1, 1, 1, 0));
    await turn();
    expect(groups).toHaveLength(3);
    for (let i = 0; i < 3; i += 1) await end();
    // It does not share its group with what is less urgent.
    expect(groups).toEqual(['a', 'b', 'u', 'v', 'c']);
  });

  it('collects work of one urgency from behind other work, and starts urgent work from there', async () => {
    const { groups, commit, end } = recorder();
    commit.add(item('a', 1, 1, 0, 1));
    await turn();
    for (const [i, name] of ['b', 'L', 'c', 'M', 'd'].entries())
      commit.add(item(name, 1, 1, i, name === name.toLowerCase() ? 1 : 2));
    await end();
    expect(groups).toEqual(['a', 'bcd']);
    commit.add(item('u', 1, 1, 9, 0));
    await turn();
    expect(groups).toEqual(['a', 'bcd', 'u']);
    for (let i = 0; i < 2; i += 1) await end();
    expect(groups).toEqual(['a', 'bcd', 'u', 'LM']);
  });

  it('lets work of a lower rank pass waiting work, and keeps the order within a rank', async () => {
    const { groups, commit, end } = recorder({ operations: 2 });
    const ranks = { a: 5, b: 5, c: 1, d: 5, e: 1, f: 3 };
    for (const [name, rank] of Object.entries(ranks)) commit.add(item(name, 1, 1, rank));
    await turn();
    for (let i = 0; i < 3; i += 1) await end();
    expect(groups).toEqual(['ce', 'fa', 'bd']);
  });

  it('bounds a group by operations and bytes, and commits work that is too large alone', async () => {
    const { groups, commit, end } = recorder();
    const given = [
      item('a', 6),
      item('b', 4),
      item('c', 1),
      item('d', 1, 99),
      item('e', 1, 1),
      item('f', 11),
    ];
    for (const one of given) commit.add(one);
    commit.add(item('g'));
    await turn();
    for (let i = 0; i < 6; i += 1) await end();
    expect(groups).toEqual(['ab', 'cd', 'e', 'f', 'g']);
  });
});
