import type { Lane } from './action.ts';

/** Where a batch stands in its lane: the topic partition and offset of the message that carries it. */
export interface LanePosition {
  readonly lane: Lane;
  readonly partition: number;
  /** Kafka offset, a safe integer. */
  readonly offset: number;
}

/** What an entity keeps of the last batch of a lane that changed it. */
export interface Fence {
  readonly partition: number;
  readonly offset: number;
}

/**
 * What a batch may do with an entity whose fence in that lane is `fence` (G5):
 * `apply`: nothing later has changed it; `replay`: this very batch has, so the change is done and is reported as the
 * first run reported it; `superseded`: a later batch has, so whoever asks has lost its partition and reports nothing.
 *
 * An entity has one partition in a lane for the life of the topic, so offsets alone order its batches.
 */
export type FenceVerdict = 'apply' | 'replay' | 'superseded';

export function judge(fence: Fence | undefined, at: LanePosition): FenceVerdict {
  if (fence === undefined || fence.offset < at.offset) return 'apply';
  return fence.offset === at.offset ? 'replay' : 'superseded';
}
