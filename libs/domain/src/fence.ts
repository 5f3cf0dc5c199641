import type { Lane } from './action.ts';
import type { Effect } from './outcome.ts';

/** The place of a batch in its lane: partition and offset of the message that carries it. */
export interface LanePosition {
  readonly lane: Lane;
  readonly partition: number;
  /** Kafka offset, a safe integer. */
  readonly offset: number;
}

/** The place of the last batch of a lane that changed an entity, stored in the entity. */
export interface Fence {
  readonly partition: number;
  readonly offset: number;
  /** Offset of the batch of the lane that inserted the entity; absent if another lane did, or its write was read first. */
  readonly born?: number;
  /** What the last batch did, if it read the entity first; absent otherwise. A redelivery reports it again. */
  readonly trail?: Trail;
}

/** What a batch did to an entity. */
export interface Trail {
  readonly effect: Effect;
  /** The version that it left. */
  readonly version: number;
  /** What the action keeps of the change, as the JSON of `EntityChanges`; absent if it keeps nothing. */
  readonly changes?: string;
}

/** Returns what a batch did to an entity, without anything else. */
export function trailOf({ effect, version, changes }: Trail): Trail {
  return { effect, version, ...(changes === undefined ? {} : { changes }) };
}

/**
 * What a batch may do with an entity whose fence in that lane is `fence` (G5):
 *
 * - `apply`: no later batch has changed the entity.
 * - `replay`: this very batch has changed it. The change is done and is reported as the first run reported it.
 * - `superseded`: a later batch has changed it. The caller has lost its partition and reports nothing.
 *
 * An entity has one partition in a lane for the life of the topic, so offsets alone order its batches.
 */
export type FenceVerdict = 'apply' | 'replay' | 'superseded';

export function judge(fence: Fence | undefined, at: LanePosition): FenceVerdict {
  if (fence === undefined || fence.offset < at.offset) return 'apply';
  return fence.offset === at.offset ? 'replay' : 'superseded';
}
