import type { Lane } from './action.ts';
import type { ChangeResult, EntityChange } from './entity-change.ts';
import { SupersededError } from './errors.ts';
import { judge, type Fence, type LanePosition } from './fence.ts';

/** The part of a stored entity that decides on a change. */
export interface EntityState {
  readonly version: number;
  /** Lane → the last batch of that lane that changed it (G5). */
  readonly fence?: Readonly<Partial<Record<Lane, Fence>>>;
  /** When it was deleted; absent if the entity exists. */
  readonly deletedAt?: Date;
}

/** The batch that asks for a change, and the type of its entity. */
interface ChangeScope {
  readonly at: LanePosition;
  readonly entityType: { readonly name: string };
}

export const APPLIED: ChangeResult = Object.freeze({ kind: 'applied' });
export const UNIQUE_VIOLATION: ChangeResult = Object.freeze({ kind: 'unique-violation' });
export const REFUSED: ChangeResult = Object.freeze({ kind: 'refused' });

/** Returns whether the entity exists, and is not only the tombstone of a deleted one. */
export function isLiving<State extends EntityState>(stored: State | undefined): stored is State {
  return stored !== undefined && stored.deletedAt === undefined;
}

/** Returns whether a change adds the entity if it does not exist. */
export function addsAbsent(change: EntityChange): boolean {
  return change.kind === 'create' || (change.kind === 'upsert' && recordOf(change) !== undefined);
}

/** Returns the whole entity that a change adds if it does not exist, or undefined if the change adds none. */
export function recordOf(change: EntityChange): Readonly<Record<string, unknown>> | undefined {
  if (change.kind === 'create') return change.set;
  if (change.kind !== 'upsert' || change.expectedVersion !== undefined) return undefined;
  return change.record ?? undefined;
}

/**
 * Decides on a change from the stored entity. The fence comes first: it alone proves that this batch changed the entity
 * in an earlier run, whatever other lanes have done to it since (G2).
 *
 * @returns the result, or undefined if the change may be made, unless a unique index refuses it.
 * @throws SupersededError if a later batch of the lane has changed the entity (G5).
 */
export function verdictOf(
  { at, entityType }: ChangeScope,
  change: EntityChange,
  stored: EntityState | undefined,
): ChangeResult | undefined {
  const fence = stored?.fence?.[at.lane];
  switch (judge(fence, at)) {
    case 'replay':
      return APPLIED;
    case 'superseded':
      throw new SupersededError(
        `a later batch of lane ${at.lane} has changed ${entityType.name} ${change.entityId}`,
        { at, fence },
      );
    case 'apply':
  }
  if (!isLiving(stored)) return addsAbsent(change) ? undefined : { kind: 'not-found' };
  if (change.kind === 'create') return { kind: 'exists' };
  const { expectedVersion } = change;
  return expectedVersion === undefined || expectedVersion === stored.version
    ? undefined
    : { kind: 'version-conflict', version: stored.version };
}
