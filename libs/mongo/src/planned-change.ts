import type { WriteScope } from '@bulk/action-types';
import {
  fieldsNamedBy,
  isLiving,
  leavesMark,
  REFUSED,
  resolveChange,
  trailOf,
  UNIQUE_VIOLATION,
  verdictOf,
  writtenBlindly,
  type ChangeResult,
  type EntityChange,
  type EntityState,
  type ResolvedWrite,
} from '@bulk/domain';
import type { AnyBulkWriteOperation } from 'mongodb';
import type { Refusal } from './bulk-answer.ts';
import type { EntityDocument } from './documents.ts';
import { operationOf, resolvedOperation } from './entity-operation.ts';
import type { ReadState } from './entity-states.ts';

/** The result of a change, or the order to read the entity and to write the change again. */
export type WrittenChange = ChangeResult | 'again';

/** A change with its operation; without one, its result is known before the write. */
export type PlannedChange =
  | {
      readonly change: EntityChange;
      readonly operation: AnyBulkWriteOperation<EntityDocument>;
      /** What the change amounts to for the entity that was read; absent if it was not read. */
      readonly write?: ResolvedWrite;
    }
  | { readonly change: EntityChange; readonly result: ChangeResult };

/** Returns whether the operation of a change depends on the stored entity, or what is kept of the change does. */
export function mustRead(scope: WriteScope, change: EntityChange, readsFirst: boolean): boolean {
  return readsFirst || scope.changes !== undefined || leavesMark(change);
}

/** Returns the fields that must be read for these changes, in addition to the state. */
export function fieldsToRead(scope: WriteScope, changes: readonly EntityChange[]): string[] {
  return [...new Set(changes.flatMap((change) => fieldsNamedBy(scope, change)))];
}

/** Plans the write of a change whose entity was read. @throws SupersededError */
export function planRead(
  scope: WriteScope,
  change: EntityChange,
  stored: ReadState | undefined,
): PlannedChange {
  const resolved = resolveChange(scope, change, stored);
  return resolved.kind === 'result'
    ? { change, result: resolved.result }
    : { change, operation: resolvedOperation(scope, change, resolved, stored), write: resolved };
}

/** Plans the write of a change whose entity was not read. */
export function planBlind(scope: WriteScope, change: EntityChange): PlannedChange {
  return { change, operation: operationOf(scope, change) };
}

/** Returns the operations of changes whose results are not known yet, in their order. */
export function operationsOf(
  changes: readonly PlannedChange[],
): readonly AnyBulkWriteOperation<EntityDocument>[] {
  return changes.flatMap((planned) => ('operation' in planned ? [planned.operation] : []));
}

/** Returns the result of a change that was made by its operation. */
export function madeResult(planned: PlannedChange, isInserted: boolean): ChangeResult {
  if (!('operation' in planned)) return planned.result;
  const { change, write } = planned;
  return write === undefined ? writtenBlindly(change, isInserted) : { kind: 'applied', ...trailOf(write) };
}

/**
 * Returns the result of a change in a bulk write that did not make all changes, from what is stored after it. The fence
 * comes before a refusal: an earlier run may have made a change that MongoDB refuses by now.
 *
 * @returns `undefined` if another lane changed the entity between the write and the read after it.
 * @throws StoreError if the state of the server, or a fault of ours, prevented the change.
 */
export function resultAfter(
  scope: WriteScope,
  planned: PlannedChange,
  stored: EntityState | undefined,
  refusal: Refusal | undefined,
): WrittenChange | undefined {
  if (!('operation' in planned)) return planned.result;
  if (refusal?.kind === 'failed') throw refusal.error;
  const { change, write } = planned;
  const verdict = verdictOf(scope, change, stored);
  if (verdict !== undefined) return verdict;
  if (refusal?.kind === 'document') return REFUSED;
  // There is only a tombstone, which the write did not know.
  if (write === undefined && change.kind === 'upsert' && stored !== undefined && !isLiving(stored))
    return 'again';
  if (refusal !== undefined && refusal.index !== PRIMARY_INDEX) return UNIQUE_VIOLATION;
  return write === undefined ? undefined : 'again';
}

/** The index that every collection has. A collision in it is one with the entity itself. */
const PRIMARY_INDEX = '_id_';
