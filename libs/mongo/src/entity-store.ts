import type { EntityStore, WriteScope } from '@bulk/action-types';
import {
  APPLIED,
  isLiving,
  recordOf,
  RetryableError,
  UNIQUE_VIOLATION,
  verdictOf,
  type ChangeResult,
  type EntityChange,
  type EntityState,
} from '@bulk/domain';
import { MongoBulkWriteError } from 'mongodb';
import type { Database } from './database.ts';
import { operationOf } from './entity-operation.ts';
import { readStates } from './entity-states.ts';
import { DocumentRefusedError, DUPLICATE_KEY, isStoreOutage, StoreError } from './errors.ts';

/** Thrown when another lane changed an entity between the write and the read after it. A retry settles it. */
export class EntityChangedError extends RetryableError {
  constructor(entityType: string, entityId: string) {
    super(`${entityType} ${entityId} was changed by another lane at the same time`, {
      code: 'ENTITY_CHANGED',
    });
  }
}

/** The index that every collection has. A collision in it is one with the entity itself. */
const PRIMARY_INDEX = '_id_';

/**
 * Stores entities in MongoDB, each with a fence per lane (G5).
 *
 * A batch is one bulk write in which every filter contains the fence. A document that a later batch has changed, or
 * that this batch changed in an earlier run, does not match. Only if something did not match, a second read
 * distinguishes a replay from a missing entity. The common case costs one round trip.
 */
export class MongoEntityStore implements EntityStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async write(scope: WriteScope, changes: readonly EntityChange[]): Promise<ChangeResult[]> {
    if (changes.length === 0) return [];
    const { done, refusals } = await this.#bulkWrite(scope, changes);
    if (done === changes.length) return changes.map(() => APPLIED);
    const states = await readStates(this.#database, scope, changes);
    const results = changes.map((change, i) =>
      resultOf(scope, change, states.get(change.entityId), refusals.get(i)),
    );
    return this.#revive(scope, changes, results);
  }

  async #bulkWrite(scope: WriteScope, changes: readonly EntityChange[]): Promise<BulkWritten> {
    const operations = changes.map((change) => operationOf(scope, change));
    try {
      // The entities differ, so their order does not matter, and a refused write does not stop the others.
      const { matchedCount, upsertedCount } = await this.#database
        .entities(scope.entityType.collection)
        .bulkWrite(operations, { ordered: false });
      return { done: matchedCount + upsertedCount, refusals: new Map() };
    } catch (error) {
      return { done: -1, refusals: refusalsOf(error) };
    }
  }

  /** Writes the upserts that met a tombstone again, as creations. This is rare. */
  async #revive(
    scope: WriteScope,
    changes: readonly EntityChange[],
    results: readonly (ChangeResult | 'revive')[],
  ): Promise<ChangeResult[]> {
    const creations = changes.flatMap((change, i): EntityChange[] =>
      results[i] === 'revive'
        ? [{ kind: 'create', entityId: change.entityId, set: recordOf(change) ?? {} }]
        : [],
    );
    const created = await this.write(scope, creations);
    const byId = new Map(creations.map(({ entityId }, i) => [entityId, created[i]]));
    return results.map((result, i) => {
      if (result !== 'revive') return result;
      const { entityId = '' } = changes[i] ?? {};
      const revived = byId.get(entityId);
      if (revived === undefined || revived.kind === 'exists')
        throw new EntityChangedError(scope.entityType.name, entityId);
      return revived;
    });
  }
}

interface BulkWritten {
  /** Number of changes that were made; -1 if some were refused. */
  readonly done: number;
  /** Index of a change → the unique index that refused it; empty if the server does not name the index. */
  readonly refusals: ReadonlyMap<number, string>;
}

/** Returns the result of a change in a bulk write that did not make all changes, from what is stored after it. */
function resultOf(
  scope: WriteScope,
  change: EntityChange,
  stored: EntityState | undefined,
  refusedBy: string | undefined,
): ChangeResult | 'revive' {
  const verdict = verdictOf(scope, change, stored);
  if (verdict !== undefined) return verdict;
  if (change.kind === 'upsert' && stored !== undefined && !isLiving(stored)) return 'revive';
  if (refusedBy !== undefined && refusedBy !== PRIMARY_INDEX) return UNIQUE_VIOLATION;
  throw new EntityChangedError(scope.entityType.name, change.entityId);
}

/**
 * Returns the operations that a unique index refused.
 *
 * @throws DocumentRefusedError if MongoDB refused documents for another reason that lies in them.
 * @throws StoreError for any other failure.
 */
function refusalsOf(error: unknown): Map<number, string> {
  if (!(error instanceof MongoBulkWriteError) || !error.result.hasWriteErrors()) throw new StoreError(error);
  const errors = error.result.getWriteErrors();
  if (errors.some(({ code }) => code !== DUPLICATE_KEY))
    throw isStoreOutage(error) ? new StoreError(error) : new DocumentRefusedError(error);
  return new Map(errors.map(({ index, errmsg }) => [index, indexName(errmsg)]));
}

/** `E11000 duplicate key error collection: bulk.contacts index: _id_ dup key: { … }` */
function indexName(message: string | undefined): string {
  return / index: (\S+) /.exec(message ?? '')?.[1] ?? '';
}
