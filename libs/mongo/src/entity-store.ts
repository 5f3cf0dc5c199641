import type { ChangeResult, EntityChange, EntityStore, WriteScope } from '@bulk/actions';
import { CodedError, judge, SupersededError } from '@bulk/domain';
import { MongoBulkWriteError, type AnyBulkWriteOperation, type Document } from 'mongodb';
import type { Database } from './database.ts';
import { entityKey, type EntityDocument } from './documents.ts';
import { DUPLICATE_KEY, StoreError } from './errors.ts';

/**
 * Entities in MongoDB, each with a fence per lane (G5).
 *
 * A batch is one bulk write whose every filter holds the fence: a document that a later batch has changed, or that this
 * batch has changed in an earlier run, does not match. Only when something did not match is there a second read, which
 * tells a replay from a missing entity; the common case costs one round trip.
 */
export class MongoEntityStore implements EntityStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async update(scope: WriteScope, changes: readonly EntityChange[]): Promise<ChangeResult[]> {
    if (changes.length === 0) return [];
    const { matched, violations } = await this.#write(scope, changes);
    if (matched === changes.length) return changes.map(() => 'applied' as const);
    return this.#classify(scope, changes, violations);
  }

  async #write(
    scope: WriteScope,
    changes: readonly EntityChange[],
  ): Promise<{ matched: number; violations: ReadonlySet<number> }> {
    const operations = changes.map((change) => updateOperation(scope, change));
    try {
      // The entities differ, so their order means nothing and one refusal need not stop the others.
      const result = await this.#database
        .entities(scope.entityType.collection)
        .bulkWrite(operations, { ordered: false });
      return { matched: result.matchedCount, violations: new Set() };
    } catch (error) {
      return { matched: -1, violations: uniqueViolations(error) };
    }
  }

  async #classify(
    scope: WriteScope,
    changes: readonly EntityChange[],
    violations: ReadonlySet<number>,
  ): Promise<ChangeResult[]> {
    const keys = changes.map(({ entityId }) => entityKey(scope.accountId, entityId));
    const { lane } = scope.at;
    const found = await this.#read(scope, keys);
    return changes.map(({ entityId }, i) => {
      const document = found.get(keys[i] ?? '');
      if (document === undefined) return 'not-found';
      const fence = document.fence?.[lane];
      switch (judge(fence, scope.at)) {
        case 'replay':
          return 'applied';
        case 'superseded':
          throw new SupersededError(
            `a later batch of lane ${lane} has changed ${scope.entityType.name} ${entityId}`,
            {
              at: scope.at,
              fence,
            },
          );
        case 'apply':
          if (violations.has(i)) return 'unique-violation';
          // It was not there when the write came by, and is now: another lane has just created it. Try again.
          throw new CodedError(
            'ENTITY_APPEARED',
            `${scope.entityType.name} ${entityId} appeared during its update`,
            {
              retryable: true,
            },
          );
      }
    });
  }

  async #read(
    scope: WriteScope,
    keys: readonly string[],
  ): Promise<Map<string, Pick<EntityDocument, '_id' | 'fence'>>> {
    try {
      const documents = await this.#database
        .entities(scope.entityType.collection)
        .find({ _id: { $in: [...keys] } }, { projection: { fence: 1 } })
        .toArray();
      return new Map(documents.map((document) => [document._id, document]));
    } catch (error) {
      throw new StoreError(error);
    }
  }
}

function updateOperation(scope: WriteScope, change: EntityChange): AnyBulkWriteOperation<EntityDocument> {
  const { at, now, accountId } = scope;
  const fence = `fence.${at.lane}`;
  const update: Document = {
    $set: { ...change.set, [fence]: { partition: at.partition, offset: at.offset }, updatedAt: now },
    $inc: { version: 1 },
  };
  if (change.unset.length > 0)
    update['$unset'] = Object.fromEntries(change.unset.map((field) => [field, '']));
  // The second condition also matches where there is no fence yet.
  const filter = {
    _id: entityKey(accountId, change.entityId),
    [`${fence}.offset`]: { $not: { $gte: at.offset } },
  };
  return { updateOne: { filter, update } };
}

/** Indexes of the operations that a unique index refused; any other failure is thrown. */
function uniqueViolations(error: unknown): Set<number> {
  if (!(error instanceof MongoBulkWriteError) || !error.result.hasWriteErrors()) throw new StoreError(error);
  const errors = error.result.getWriteErrors();
  if (errors.some(({ code }) => code !== DUPLICATE_KEY)) throw new StoreError(error);
  return new Set(errors.map(({ index }) => index));
}
