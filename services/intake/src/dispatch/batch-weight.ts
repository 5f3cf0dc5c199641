import type { Document } from 'mongodb';

/** Weight of the smallest batches. Each batch has a fixed cost, whatever its size. */
const MIN_WEIGHT = 0.1;

/** Sums of weights may be off by less than this. */
export const ROUNDING = 1e-6;

/** The entities of an action and how they are cut. */
interface Cut {
  readonly total: number;
  readonly batchCount: number;
}

/**
 * Returns how much a batch of an action counts in flight; a full batch counts 1.
 *
 * The entities of a small action are spread over the partitions, so its batches are parts of a batch. Together they
 * cost the handlers about as much as one.
 *
 * @param batchSize number of entities of a full batch.
 */
export function batchWeight({ total, batchCount }: Cut, batchSize: number): number {
  return Math.min(1, Math.max(MIN_WEIGHT, total / Math.max(1, batchCount) / batchSize));
}

/** Builds the expression of `batchWeight` for an action's document. */
export function batchWeightOf(batchSize: number): Document {
  const entities = { $divide: ['$total', { $max: [1, '$batchCount'] }] };
  return { $min: [1, { $max: [MIN_WEIGHT, { $divide: [entities, batchSize] }] }] };
}
