import type { Lane } from './action.ts';
import type { ChangeResult, EntityChange } from './entity-change.ts';
import { SupersededError } from './errors.ts';
import { judge, type Fence, type LanePosition } from './fence.ts';

/** What of a stored entity decides on a change. */
export interface EntityState {
  readonly version: number;
  /** Lane → the last batch of that lane that changed it (G5). */
  readonly fence?: Readonly<Partial<Record<Lane, Fence>>>;
  /** When it was deleted; absent for an entity that is there. */
  readonly deletedAt?: Date;
}

/** The batch that asks for a change, and the type of its entity. */
interface ChangeScope {
  readonly at: LanePosition;
  readonly entityType: { readonly name: string };
}

export const APPLIED: ChangeResult = Object.freeze({ kind: 'applied' });
export const UNIQUE_VIOLATION: ChangeResult = Object.freeze({ kind: 'unique-violation' });

/** Whether there is an entity, and not only what a deletion left. */
export function isLiving<State extends EntityState>(stored: State | undefined): stored is State {
  return stored !== undefined && stored.deletedAt === undefined;
}

/** Whether a change adds the entity where there is none. */
export function addsAbsent(change: EntityChange): boolean {
  return change.kind === 'create' || (change.kind === 'upsert' && recordOf(change) !== undefined);
}

/** The whole entity that a change adds where there is none; undefined: it adds none. */
export function recordOf(change: EntityChange): Readonly<Record<string, unknown>> | undefined {
  if (change.kind === 'create') return change.set;
  if (change.kind !== 'upsert' || change.expectedVersion !== undefined) return undefined;
  return change.record ?? undefined;
}

/**
 * What a change comes to, by what is stored. The fence comes first: it alone proves that this batch has changed the entity
 * in an earlier run, whatever other lanes have made of it since (G2).
 *
 * @returns the result; undefined where nothing stands against the change but, perhaps, a unique index.
 * @throws SupersededError when a later batch of the lane has changed the entity (G5).
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
