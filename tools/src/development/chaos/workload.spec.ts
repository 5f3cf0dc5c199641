import { describe, expect, it } from '@jest/globals';
import { contact } from '@bulk/action-types';
import { planWorkload } from './workload.ts';

const SIZE = { chains: 6, length: 3, positions: 300 };

describe('the workload of a round', () => {
  it('is the same for the same text and different for another text', () => {
    expect(planWorkload('a', contact, SIZE)).toEqual(planWorkload('a', contact, SIZE));
    expect(planWorkload('a', contact, SIZE)).not.toEqual(planWorkload('b', contact, SIZE));
  });

  it('has outcomes of many kinds and chains that share no entity', () => {
    const chains = Array.from({ length: 10 }, (_, i) => planWorkload(`many-${i}`, contact, SIZE)).flat();
    const codes = new Set(
      chains.flatMap(({ actions }) => actions.flatMap(({ outcomes }) => outcomes.map(({ code }) => code))),
    );
    expect(codes).toEqual(
      new Set([null, 'DUPLICATE_ENTITY', 'INVALID_ENTITY', 'ENTITY_NOT_FOUND', 'ENTITY_EXISTS']),
    );
    expect(new Set(chains.flatMap(({ actions }) => actions.map(({ actionType }) => actionType))).size).toBe(
      5,
    );
    expect(new Set(chains.map(({ mark }) => mark)).size).toBe(chains.length);
    for (const { mark, actions } of chains) {
      const ids = actions.flatMap(({ entities }) => entities.map(({ id }) => id));
      expect(ids.every((id) => id.startsWith(`${mark}-`))).toBe(true);
    }
  });
});
