import { LANES } from '@bulk/domain';
import { z } from 'zod';
import type { LaneWeights } from './lane-shares.ts';

const MAX_WEIGHT = 1_000;
const EXPECTED = `expected ${LANES.length} whole numbers from 1 to ${MAX_WEIGHT}, separated by commas`;

/**
 * Reads a weight for each lane from the environment, the most urgent lane first, e.g. `16,4,1`. No
 * weight is zero, so that no lane starves.
 */
export function laneWeights(fallback: readonly [number, number, number], description: string) {
  return z
    .string()
    .regex(/^\d{1,4}(,\d{1,4}){2}$/, EXPECTED)
    .transform((text) => text.split(',').map(Number))
    .refine((weights) => weights.every((n) => n >= 1 && n <= MAX_WEIGHT), EXPECTED)
    .default([...fallback])
    .meta({ description });
}

/** Returns the weights by the names of the lanes. */
export function byLane([high = 1, normal = 1, low = 1]: readonly number[]): LaneWeights {
  return { high, normal, low };
}
