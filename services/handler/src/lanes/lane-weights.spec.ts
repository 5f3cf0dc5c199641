import { expect, it } from '@jest/globals';
import { byLane, laneWeights } from './lane-weights.ts';

const schema = laneWeights([16, 4, 1], 'shares');

it('laneWeights accepts three positive whole numbers and nothing else', () => {
  expect(byLane(schema.parse('5,3,2'))).toEqual({ high: 5, normal: 3, low: 2 });
  expect(byLane(schema.parse(undefined))).toEqual({ high: 16, normal: 4, low: 1 });
  for (const text of ['1,2', '1,2,0', '1,2,3,4', '1,2,-3', '1,2,x', '1,2,5000', '']) {
    expect(schema.safeParse(text).success).toBe(false);
  }
});
