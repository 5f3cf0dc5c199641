import {
  company,
  contact,
  type EntityChange,
  type EntityStore,
  type EntityType,
  type WriteScope,
} from '@bulk/action-types';
import type { Lane } from '@bulk/domain';
import { TestInstallation } from '@bulk/testing';
import type { Collection } from 'mongodb';
import type { Database } from '../src/database.ts';
import { DryRunEntityStore } from '../src/dry-run-entity-store.ts';
import { entityKey, type EntityDocument } from '../src/documents.ts';
import { MongoEntityStore } from '../src/entity-store.ts';
import { ensureIndexes } from '../src/indexes.ts';

/** The time of all writes. MongoDB removes a tombstone that is older than its lifetime, at any time. */
export const now = new Date();

type Values = Record<string, unknown>;

/** Both entity stores, on a database of their own. */
export class EntityFixture {
  readonly installation: TestInstallation;
  readonly database: Database;
  readonly store: MongoEntityStore;
  readonly dryRun: DryRunEntityStore;

  private constructor(installation: TestInstallation, database: Database) {
    this.installation = installation;
    this.database = database;
    this.store = new MongoEntityStore(database);
    this.dryRun = new DryRunEntityStore(database);
  }

  static async create(types: readonly EntityType[] = [contact, company]): Promise<EntityFixture> {
    const installation = await TestInstallation.create('entity-store');
    const database = await installation.database();
    await ensureIndexes(database, types);
    return new EntityFixture(installation, database);
  }

  async clear(): Promise<void> {
    await this.database.entities('contacts').deleteMany({});
    await this.database.entities('companies').deleteMany({});
  }

  async given(accountId: string, id: string, fields: Values, type = contact): Promise<void> {
    const created = new Date(0);
    await this.database.entities(type.collection).insertOne({
      _id: entityKey(accountId, id),
      accountId,
      id,
      version: 1,
      createdAt: created,
      updatedAt: created,
      ...fields,
    });
  }

  stored(id: string, type = contact): Promise<EntityDocument | null> {
    return this.database.entities(type.collection).findOne({ _id: entityKey('acme', id) });
  }

  /** Returns every document of a type, tombstones too. */
  all(type = contact): Promise<EntityDocument[]> {
    return this.database.entities(type.collection).find().sort({ _id: 1 }).toArray();
  }

  /** Returns the operations on the entities, each one a round trip, that some work with a store causes. */
  async operationsOf(work: (store: EntityStore) => Promise<unknown>): Promise<string[]> {
    const operations: string[] = [];
    const noted = (name: string, collection: Collection<EntityDocument>): Collection<EntityDocument> => {
      const operation: unknown = Reflect.get(collection, name);
      const value = (...args: unknown[]): unknown => {
        operations.push(name);
        return Reflect.apply(operation as () => unknown, collection, args);
      };
      return Object.create(collection, { [name]: { value } }) as Collection<EntityDocument>;
    };
    const observed = Object.create(this.database, {
      entities: {
        value: (name: string) => noted('find', noted('bulkWrite', this.database.entities(name))),
      },
    }) as Database;
    await work(new MongoEntityStore(observed));
    return operations;
  }

  /** Returns the kind of each result; of a version conflict, with the version. */
  async write(
    at: WriteScope,
    changes: readonly EntityChange[],
    store: EntityStore = this.store,
  ): Promise<string[]> {
    const results = await store.write(at, changes);
    return results.map((result) =>
      result.kind === 'version-conflict' ? `version-conflict ${result.version}` : result.kind,
    );
  }
}

export const scope = (
  offset: number,
  lane: Lane = 'normal',
  entityType = contact,
  accountId = 'acme',
): WriteScope => ({ accountId, entityType, at: { lane, partition: 1, offset }, now });

export const update = (
  entityId: string,
  set: Values,
  unset: string[] = [],
  expectedVersion?: number,
): EntityChange => ({ kind: 'update', entityId, set, unset, expectedVersion });

export const create = (entityId: string, set: Values): EntityChange => ({ kind: 'create', entityId, set });

export const remove = (entityId: string, expectedVersion?: number): EntityChange => ({
  kind: 'delete',
  entityId,
  expectedVersion,
});

/** @param record the whole entity to add, or null. */
export const upsert = (
  entityId: string,
  set: Values,
  record: Values | null = set,
  unset: string[] = [],
): EntityChange => ({ kind: 'upsert', entityId, set, unset, record });
