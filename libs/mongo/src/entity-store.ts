import type { EntityStore, WriteScope } from '@bulk/action-types';
import { isRetryable, RetryableError, type ChangeResult, type EntityChange } from '@bulk/domain';
import { MongoBulkWriteError, type AnyBulkWriteOperation } from 'mongodb';
import { answerOf, unsendable, type BulkAnswer, type Refusal } from './bulk-answer.ts';
import type { Database } from './database.ts';
import type { EntityDocument } from './documents.ts';
import { readStates, type ReadState } from './entity-states.ts';
import { isStoreOutage } from './errors.ts';
import { GroupCommit, type GroupLimits } from './group-commit.ts';
import { PendingWrite } from './pending-write.ts';
import {
  fieldsToRead,
  madeResult,
  operationsOf,
  resultAfter,
  type PlannedChange,
  type WrittenChange,
} from './planned-change.ts';

/** Thrown when another lane changed an entity between the write and the read after it. A retry settles it. */
export class EntityChangedError extends RetryableError {
  constructor(entityType: string, entityId: string) {
    super(`${entityType} ${entityId} was changed by another lane at the same time`, {
      code: 'ENTITY_CHANGED',
    });
  }
}

const NONE: ReadonlyMap<number, Refusal> = new Map();
const NONE_INSERTED: ReadonlySet<number> = new Set();
const NOTHING_READ: ReadonlyMap<string, ReadState> = new Map();

/** Number of times that a change is written before its batch is tried again: other lanes change its entity all the time. */
const MAX_ROUNDS = 5;

/**
 * Bounds of the bulk writes of a collection. Larger ones cost this process less (with 8 batches of 100 at a time: 4.4 ms
 * of CPU per batch alone, 3.1 ms with these bounds, 2.6 ms with one bulk write of 800 at a time) and the stand-in for
 * MongoDB the same. They make a small batch wait longer for those in front of it.
 */
export const ENTITY_WRITE_LIMITS: GroupLimits = { concurrency: 2, operations: 200, bytes: 4_194_304 };

/**
 * Stores entities in MongoDB, each with a fence per lane (G5).
 *
 * A batch is one bulk write in which every filter contains the fence. A document that a later batch has changed, or
 * that this batch changed in an earlier run, does not match. Only if something did not match, a second read
 * distinguishes a replay from a missing entity. The common case costs one round trip.
 *
 * Batches of one collection that are written at the same time share a bulk write. Each operation keeps the fence of its
 * own batch, and each batch gets its own results, as if the batches had been written one by one at the same time. If
 * MongoDB refuses documents, it names their operations: only their entities are refused, and nothing is written again.
 *
 * A relative change (an increment, a change of a list) is computed from the entity, which is read first: one more round
 * trip for all such changes of the bulk write. A change whose values before and after are kept is read first too. The
 * filter contains the version that was read, and if the entity has changed since, it is read again.
 */
export class MongoEntityStore implements EntityStore {
  readonly #database: Database;
  readonly #limits: GroupLimits;
  /** Collection → the writes that wait for it. */
  readonly #groups = new Map<string, GroupCommit<PendingWrite>>();

  /** @param limits bounds of the bulk writes of a collection. */
  constructor(database: Database, limits: GroupLimits = ENTITY_WRITE_LIMITS) {
    this.#database = database;
    this.#limits = limits;
  }

  async write(scope: WriteScope, changes: readonly EntityChange[]): Promise<ChangeResult[]> {
    if (changes.length === 0) return [];
    let results = await this.#submit(scope, changes, false);
    // Every entity that is written again is read: an upsert has met a tombstone, or another lane has changed an entity.
    for (let round = 1; results.includes('again'); round += 1) {
      const open = changes.filter((_, i) => results[i] === 'again');
      if (round === MAX_ROUNDS) throw new EntityChangedError(scope.entityType.name, open[0]?.entityId ?? '');
      await scope.confirmOwnership?.();
      const again = (await this.#submit(scope, open, true)).values();
      results = results.map((result) => (result === 'again' ? (again.next().value ?? result) : result));
    }
    return results.filter((result) => result !== 'again');
  }

  #submit(
    scope: WriteScope,
    changes: readonly EntityChange[],
    readsFirst: boolean,
  ): Promise<readonly WrittenChange[]> {
    const write = new PendingWrite(scope, changes, readsFirst);
    this.#groupsOf(scope.entityType.collection).add(write);
    return write.results;
  }

  #groupsOf(collection: string): GroupCommit<PendingWrite> {
    const known = this.#groups.get(collection);
    if (known !== undefined) return known;
    const groups = new GroupCommit<PendingWrite>(this.#limits, (group) => this.#commit(collection, group));
    this.#groups.set(collection, groups);
    return groups;
  }

  /** Writes a group and settles each write of it. Never rejects. */
  async #commit(collection: string, group: readonly PendingWrite[]): Promise<void> {
    const stale = group.filter(({ isStale }) => isStale);
    const fresh = stale.length === 0 ? group : group.filter((write) => !stale.includes(write));
    // A question that hangs must not hold back the writes of others.
    void confirmed(stale).then((again) => {
      for (const write of again) this.#groupsOf(collection).add(write);
    });
    await this.#writeGroup(collection, fresh);
  }

  async #writeGroup(collection: string, group: readonly PendingWrite[]): Promise<void> {
    const fault = await this.#attempt(collection, group);
    if (fault === undefined) return;
    let common = group.length === 1 || isRetryable(fault) ? fault : undefined;
    // Otherwise MongoDB refused the command without naming an operation. Written alone, each write gets its own results:
    // what the group has changed already is recognised by its fence.
    for (const write of group) {
      const own = common ?? (await this.#attemptAlone(collection, write));
      if (own !== undefined) write.fail(own);
      if (isRetryable(own)) common = own;
    }
  }

  /** @returns the error of the write; `undefined` if it is settled. */
  async #attemptAlone(collection: string, write: PendingWrite): Promise<unknown> {
    try {
      // The writes in front of it may have taken long.
      if (write.isStale) await write.confirm();
    } catch (error) {
      return error;
    }
    return this.#attempt(collection, [write]);
  }

  /** @returns the error that concerns the group as a whole, if there is one; then no write of it is settled. */
  async #attempt(collection: string, group: readonly PendingWrite[]): Promise<unknown> {
    if (group.length === 0) return undefined;
    try {
      const plans = this.#planned(group, await this.#read(collection, group));
      const operations = plans.flatMap(({ changes }) => operationsOf(changes));
      const { done, inserted, refusals } = await this.#bulkWrite(collection, operations);
      if (done === operations.length) {
        let at = 0;
        for (const { write, changes } of plans)
          write.settle(() =>
            changes.map((planned) => madeResult(planned, 'operation' in planned && inserted.has(at++))),
          );
        return undefined;
      }
      const keys = plans.flatMap(({ write }) => write.keys);
      const states = await readStates(this.#database, collection, keys);
      let from = 0;
      for (const { write, changes } of plans) {
        const { scope } = write;
        let next = from;
        from += operationsOf(changes).length;
        write.settle(() =>
          changes.map((planned) => {
            const refusal = 'operation' in planned ? refusals.get(next++) : undefined;
            const { change } = planned;
            const result = resultAfter(scope, planned, states.get(write.keyOf(change)), refusal);
            if (result === undefined) throw new EntityChangedError(scope.entityType.name, change.entityId);
            return result;
          }),
        );
      }
      return undefined;
    } catch (error) {
      return error;
    }
  }

  /** Reads the entities whose changes depend on them. @throws StoreError */
  async #read(collection: string, group: readonly PendingWrite[]): Promise<ReadonlyMap<string, ReadState>> {
    if (group.every(({ toRead }) => toRead.length === 0)) return NOTHING_READ;
    const fields = new Set(group.flatMap(({ scope, toRead }) => fieldsToRead(scope, toRead)));
    const keys = group.flatMap((write) => write.toRead.map((change) => write.keyOf(change)));
    return readStates(this.#database, collection, keys, [...fields]);
  }

  /** Plans the writes of a group. One that is superseded fails, and the others continue. */
  #planned(
    group: readonly PendingWrite[],
    read: ReadonlyMap<string, ReadState>,
  ): { readonly write: PendingWrite; readonly changes: readonly PlannedChange[] }[] {
    return group.flatMap((write) => {
      try {
        return [{ write, changes: write.plan(read) }];
      } catch (error) {
        write.fail(error);
        return [];
      }
    });
  }

  /** @throws StoreError if some operation has no answer. */
  async #bulkWrite(
    collection: string,
    operations: readonly AnyBulkWriteOperation<EntityDocument>[],
  ): Promise<BulkAnswer> {
    if (operations.length === 0) return { done: 0, inserted: NONE_INSERTED, refusals: NONE };
    const entities = this.#database.entities(collection);
    try {
      // Each operation is atomic and has its own conditions, so the order does not matter, and a refused write does not
      // stop the others.
      const answer = await entities.bulkWrite(operations, { ordered: false });
      const { matchedCount, upsertedCount, upsertedIds } = answer;
      return {
        done: matchedCount + upsertedCount,
        inserted: upsertedCount === 0 ? NONE_INSERTED : new Set(Object.keys(upsertedIds).map(Number)),
        refusals: NONE,
      };
    } catch (error) {
      const isSent = error instanceof MongoBulkWriteError || isStoreOutage(error);
      const refusals = isSent ? NONE : unsendable(entities, operations);
      if (refusals.size === 0) return answerOf(error);
      return await this.#writeOthers(collection, operations, refusals);
    }
  }

  /** Writes the operations that the driver can send. The others keep their refusals. */
  async #writeOthers(
    collection: string,
    operations: readonly AnyBulkWriteOperation<EntityDocument>[],
    refusals: ReadonlyMap<number, Refusal>,
  ): Promise<BulkAnswer> {
    const sent = [...operations.entries()].filter(([i]) => !refusals.has(i));
    if (sent.length === 0) return { done: -1, inserted: NONE_INSERTED, refusals };
    const answer = await this.#bulkWrite(
      collection,
      sent.map(([, operation]) => operation),
    );
    const others = [...answer.refusals].map(([i, refusal]): [number, Refusal] => [
      sent[i]?.[0] ?? -1,
      refusal,
    ]);
    return { done: -1, inserted: NONE_INSERTED, refusals: new Map([...refusals, ...others]) };
  }
}

/** Returns the writes whose callers still own their partitions. The others fail. */
async function confirmed(writes: readonly PendingWrite[]): Promise<PendingWrite[]> {
  const owned = await Promise.all(
    writes.map(async (write) => {
      try {
        await write.confirm();
        return [write];
      } catch (error) {
        write.fail(error);
        return [];
      }
    }),
  );
  return owned.flat();
}
