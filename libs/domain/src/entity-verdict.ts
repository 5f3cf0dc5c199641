import type { Lane } from './action.ts';
import { leavesMark, type AppliedChange, type ChangeResult, type EntityChange } from './entity-change.ts';
import { SupersededError } from './errors.ts';
import { judge, trailOf, type Fence, type LanePosition, type Trail } from './fence.ts';

/** A change that an action made to an entity and that a replay does not make again. */
export interface AppliedMark extends Trail {
  /** The action; of a chain of retries, the first one. */
  readonly actionId: string;
  /** The position that asked for the change, in that action. Absent: unknown, as in the marks of older versions. */
  readonly position?: number;
}

/** The part of a stored entity that decides on a change. */
export interface EntityState {
  readonly version: number;
  /** Lane → the last batch of that lane that changed it (G5). */
  readonly fence?: Readonly<Partial<Record<Lane, Fence>>>;
  /** When it was deleted; absent if the entity exists. */
  readonly deletedAt?: Date;
  /** When it was created; absent if another program added it. */
  readonly createdAt?: Date;
  /** The marks of the last actions. A replay of a dead letter, which has another place, finds its own. */
  readonly applied?: readonly AppliedMark[];
}

/** The batch that asks for a change, and the type of its entity. */
export interface ChangeScope {
  readonly at: LanePosition;
  readonly entityType: { readonly name: string };
  /** The action of the batch; absent: a replay makes relative changes again. */
  readonly actionId?: string | undefined;
}

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
 * Returns the result of a change that was written without reading the entity first.
 *
 * @param isInserted whether the write inserted the entity.
 */
export function writtenBlindly(change: EntityChange, isInserted: boolean): AppliedChange {
  if (isInserted) return { kind: 'applied', effect: 'created', version: 1 };
  if (change.kind === 'create') return { kind: 'applied', effect: 'created' };
  const effect = change.kind === 'delete' ? 'deleted' : 'updated';
  const { expectedVersion } = change;
  return expectedVersion === undefined
    ? { kind: 'applied', effect }
    : { kind: 'applied', effect, version: expectedVersion + 1 };
}

/** Returns the result that the first run of a batch had. */
function replayed(change: EntityChange, fence: Fence | undefined): AppliedChange {
  const { trail, born, offset } = fence ?? {};
  if (trail !== undefined) return { kind: 'applied', ...trailOf(trail) };
  return writtenBlindly(change, born !== undefined && born === offset);
}

/**
 * Decides on a change from the stored entity. The fence comes first: it alone proves that this batch changed the entity
 * in an earlier run, whatever other lanes have done to it since (G2).
 *
 * A mark of the same chain decides next. That of the same position gives the result of the change that was made. That
 * of another position makes this one a duplicate, as it would within one action (G4).
 *
 * @returns the result, or undefined if the change may be made, unless a unique index refuses it.
 * @throws SupersededError if a later batch of the lane has changed the entity (G5). It says what this position did to
 *   the entity before, if the change leaves a mark and was made.
 */
export function verdictOf(
  { at, entityType, actionId }: ChangeScope,
  change: EntityChange,
  stored: EntityState | undefined,
): ChangeResult | undefined {
  const fence = stored?.fence?.[at.lane];
  const mark = leavesMark(change) ? stored?.applied?.find((one) => one.actionId === actionId) : undefined;
  const other = mark === undefined ? undefined : otherPosition(mark, change);
  switch (judge(fence, at)) {
    case 'replay':
      return replayed(change, fence);
    case 'superseded':
      throw new SupersededError(
        `a later batch of lane ${at.lane} has changed ${entityType.name} ${change.entityId}`,
        { at, fence },
        other === undefined ? mark && trailOf(mark) : undefined,
      );
    case 'apply':
  }
  if (other !== undefined) return { kind: 'duplicate', position: other };
  if (mark !== undefined) return { kind: 'applied', ...trailOf(mark) };
  if (change.kind === 'create' && change.deletedVersion !== undefined)
    return restorable(stored, change.deletedVersion, change.notAfter);
  if (!isLiving(stored)) return addsAbsent(change) ? undefined : { kind: 'not-found' };
  if (change.kind === 'create') return { kind: 'exists' };
  const { expectedVersion, notAfter } = change;
  const isExpected = expectedVersion === undefined || expectedVersion === stored.version;
  return isExpected && !isAfter(stored.createdAt, notAfter)
    ? undefined
    : { kind: 'version-conflict', version: stored.version };
}

/** Returns the position of a mark if it is known to be another one than that of the change. */
function otherPosition({ position }: AppliedMark, change: EntityChange): number | undefined {
  return change.position === undefined || change.position === position ? undefined : position;
}

/** Decides on a change that restores a deleted entity. @returns undefined if it may be made. */
function restorable(
  stored: EntityState | undefined,
  deletedVersion: number,
  notAfter: Date | undefined,
): ChangeResult | undefined {
  if (stored === undefined) return { kind: 'not-found' };
  const { version, deletedAt } = stored;
  const isSame = deletedAt !== undefined && version === deletedVersion && !isAfter(deletedAt, notAfter);
  return isSame ? undefined : { kind: 'version-conflict', version };
}

function isAfter(time: Date | undefined, limit: Date | undefined): boolean {
  return time !== undefined && limit !== undefined && time > limit;
}
