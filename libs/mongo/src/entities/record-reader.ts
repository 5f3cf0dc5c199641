import type { EntityFilter, EntityType } from '@bulk/action-types';
import { CodedError, type Fields } from '@bulk/domain';
import { MongoServerError, type Document, type FindOptions } from 'mongodb';
import type { Database } from '../database.ts';
import { entityIdOf, entityKey, type EntityDocument, type FilterPlan } from '../documents.ts';
import { stored, StoreError } from '../errors.ts';
import { accountKeys, recordQuery, type RecordQuery } from './filter-query.ts';

/** A living record as callers see it: without what the platform keeps for itself. */
export interface EntityRecord {
  readonly id: string;
  readonly version: number;
  /** Null if another program added the record without it. */
  readonly createdAt: Date | null;
  readonly updatedAt: Date | null;
  /** The fields of its type that have a value, in the order of the type. */
  readonly fields: Fields;
}

export const RECORD_ORDERS = ['id', 'createdAt', 'updatedAt'] as const;

/** The order of a page, and the record after which it starts. */
export interface RecordPage {
  readonly by: (typeof RECORD_ORDERS)[number];
  /** 1: ascending; -1: descending. */
  readonly direction: 1 | -1;
  readonly limit: number;
  readonly after?: RecordPlace | undefined;
}

/** The place of a record in an order. */
export interface RecordPlace {
  readonly id: string;
  /** The time that the order is by; null if the record has none, or the order is by `id`. */
  readonly at: Date | null;
}

export interface RecordReaderOptions {
  /** Has the connections of the reads of filters, which wait for as long as `timeoutMs`. @default those of `database` */
  readonly reads?: Database;
  /** Maximum time that MongoDB takes for one read of records, in ms. The time of the reader's own work does not count. */
  readonly timeoutMs: number;
  /** Number of keys that one query of a scan covers. */
  readonly scanKeys?: number;
}

/** Thrown if MongoDB takes too long to find the records of a filter. */
export class RecordReadTimeoutError extends CodedError {
  constructor(timeoutMs: number) {
    super('FILTER_TIMEOUT', `the records of the filter were not read within ${timeoutMs} ms`);
  }
}

/** MongoDB's MaxTimeMSExpired. */
const TIME_EXPIRED = 50;
const SCAN_KEYS = 50_000;
const FETCH = 1_000;

/**
 * Reads the records of accounts. A deleted record is absent.
 *
 * The reads of a filter take a signal that ends them, in MongoDB too, and throw its reason when it aborts.
 */
export class RecordReader {
  readonly #database: Database;
  readonly #reads: Database;
  readonly #timeoutMs: number;
  readonly #scanKeys: number;

  constructor(
    database: Database,
    { timeoutMs, reads = database, scanKeys = SCAN_KEYS }: RecordReaderOptions,
  ) {
    this.#database = database;
    this.#reads = reads;
    this.#timeoutMs = timeoutMs;
    this.#scanKeys = scanKeys;
  }

  /** Reads one record. @throws StoreError */
  async find(accountId: string, entityType: EntityType, id: string): Promise<EntityRecord | undefined> {
    const found = await stored(
      this.#database.entities(entityType.collection).findOne({
        _id: entityKey(accountId, id),
        accountId,
        // The driver's type of the document has no null here, but a missing field equals null.
        deletedAt: { $exists: false },
      }),
    );
    return found === null ? undefined : toRecord(entityType, found);
  }

  /** Counts what a read of a filter costs. @throws StoreError, RecordReadTimeoutError */
  async plan(
    accountId: string,
    entityType: EntityType,
    filter: EntityFilter,
    signal?: AbortSignal,
  ): Promise<FilterPlan> {
    const { bounds, hint, indexed } = recordQuery(entityType, accountId, filter);
    const examined = await this.#timed(signal, () =>
      this.#reads
        .entities(entityType.collection)
        .countDocuments(bounds, { hint, maxTimeMS: this.#timeoutMs, signal }),
    );
    return { indexed, examined };
  }

  /** Reads a page of the records of a filter. @throws StoreError, RecordReadTimeoutError */
  page(
    accountId: string,
    entityType: EntityType,
    filter: EntityFilter,
    { by, direction, limit, after }: RecordPage,
    signal?: AbortSignal,
  ): Promise<EntityRecord[]> {
    const query = recordQuery(entityType, accountId, filter);
    const start = after === undefined ? [] : [startAfter(by, direction, after, accountId)];
    const sort: Document = by === 'id' ? { _id: direction } : { [by]: direction, _id: direction };
    return this.#timed(signal, async () => {
      const documents = await this.#reads
        .entities(entityType.collection)
        .find({ $and: [query.filter, ...start] }, { ...this.#options(query), sort, limit, signal })
        .toArray();
      return documents.map((document) => toRecord(entityType, document));
    });
  }

  /** Yields the ids of the records of a filter, in their order. Holds one answer of MongoDB. It throws like `records`. */
  async *ids(
    accountId: string,
    entityType: EntityType,
    filter: EntityFilter,
    signal?: AbortSignal,
  ): AsyncGenerator<string> {
    const read = { watch: new ReadWatch(this.#timeoutMs), projection: { _id: 1 }, signal };
    for await (const { _id } of this.#documents(accountId, entityType, filter, read)) {
      yield entityIdOf(accountId, _id);
    }
  }

  /**
   * Yields the records of a filter, in the order of their ids. Holds one answer of MongoDB. Each record is as it is when
   * it is read: a change during the read may be seen or not, and no record comes twice.
   *
   * @throws StoreError, RecordReadTimeoutError
   */
  async *records(
    accountId: string,
    entityType: EntityType,
    filter: EntityFilter,
    signal?: AbortSignal,
  ): AsyncGenerator<EntityRecord> {
    const read = { watch: new ReadWatch(this.#timeoutMs), signal };
    for await (const document of this.#documents(accountId, entityType, filter, read)) {
      yield toRecord(entityType, document);
    }
  }

  async *#documents(
    accountId: string,
    entityType: EntityType,
    filter: EntityFilter,
    read: Read,
  ): AsyncGenerator<EntityDocument> {
    const query = recordQuery(entityType, accountId, filter);
    if (query.indexed) yield* this.#cursor(entityType, query, read);
    else yield* this.#scan(accountId, entityType, query, read);
  }

  /** Reads all records of an account, in parts, so that no answer of MongoDB takes long however few records match. */
  async *#scan(
    accountId: string,
    entityType: EntityType,
    query: RecordQuery,
    read: Read,
  ): AsyncGenerator<EntityDocument> {
    const { watch, signal } = read;
    const collection = this.#reads.entities(entityType.collection);
    let after: Document = {};
    for (;;) {
      const rest = { $and: [accountKeys(accountId), after] };
      const last = await this.#timed(signal, () =>
        watch.time(() =>
          collection.findOne(rest, {
            projection: { _id: 1 },
            sort: { _id: 1 },
            skip: this.#scanKeys - 1,
            maxTimeMS: watch.leftMs,
            signal,
          }),
        ),
      );
      const part = last === null ? after : { $and: [after, { _id: { $lte: last._id } }] };
      const filter = { $and: [query.filter, part] };
      yield* this.#cursor(entityType, { ...query, filter }, read);
      if (last === null) return;
      after = { _id: { $gt: last._id } };
    }
  }

  async *#cursor(
    entityType: EntityType,
    query: RecordQuery,
    { watch, projection, signal }: Read,
  ): AsyncGenerator<EntityDocument> {
    const cursor = this.#reads.entities(entityType.collection).find(query.filter, {
      ...this.#options(query),
      maxTimeMS: watch.leftMs,
      sort: { _id: 1 },
      batchSize: FETCH,
      signal,
      ...(projection === undefined ? {} : { projection }),
    });
    try {
      for (;;) {
        const document = await this.#timed(signal, () => watch.time(() => cursor.next()));
        if (document === null) return;
        yield document;
      }
    } finally {
      await cursor.close().catch(() => undefined);
    }
  }

  #options({ hint }: RecordQuery): FindOptions {
    return { hint, maxTimeMS: this.#timeoutMs, allowDiskUse: true };
  }

  /** @throws StoreError, RecordReadTimeoutError; the reason of the signal. */
  async #timed<T>(signal: AbortSignal | undefined, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof RecordReadTimeoutError) throw error;
      if (error instanceof MongoServerError && error.code === TIME_EXPIRED) {
        throw new RecordReadTimeoutError(this.#timeoutMs);
      }
      throw new StoreError(error);
    }
  }
}

/** What the parts of one read share. */
interface Read {
  readonly watch: ReadWatch;
  /** @default all fields */
  readonly projection?: Document | undefined;
  /** Ends the read. */
  readonly signal?: AbortSignal | undefined;
}

/** Adds up the time that a read waits for MongoDB. */
class ReadWatch {
  readonly #limitMs: number;
  #waitedMs = 0;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** The time that is left, in whole ms, at least 1: MongoDB takes 0 as no limit. */
  get leftMs(): number {
    return Math.max(1, Math.ceil(this.#limitMs - this.#waitedMs));
  }

  /** @throws RecordReadTimeoutError if the limit is exceeded; what the work throws. */
  async time<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waitedMs > this.#limitMs) throw new RecordReadTimeoutError(this.#limitMs);
    const startedAt = performance.now();
    try {
      return await work();
    } finally {
      this.#waitedMs += performance.now() - startedAt;
    }
  }
}

/** Returns the condition that the records behind a place meet. Absent times come first, as MongoDB sorts them. */
function startAfter(
  by: RecordPage['by'],
  direction: 1 | -1,
  { id, at }: RecordPlace,
  accountId: string,
): Document {
  const beyond = direction === 1 ? '$gt' : '$lt';
  const key = { _id: { [beyond]: entityKey(accountId, id) } };
  if (by === 'id') return key;
  const sameTime = { [by]: at, ...key };
  if (at === null) return direction === 1 ? { $or: [{ [by]: { $ne: null } }, sameTime] } : sameTime;
  const others = [{ [by]: { [beyond]: at } }, ...(direction === 1 ? [] : [{ [by]: null }])];
  return { $or: [...others, sameTime] };
}

function toRecord({ recordSchema }: EntityType, document: EntityDocument): EntityRecord {
  const { id, version, createdAt, updatedAt } = document as Partial<EntityDocument> & { readonly id: string };
  const fields = Object.keys(recordSchema.shape).flatMap((field): [string, unknown][] => {
    const value = document[field];
    return value === undefined || value === null ? [] : [[field, value]];
  });
  return {
    id,
    // Programs that write to the collection themselves may leave these out.
    version: version ?? 0,
    createdAt: createdAt ?? null,
    updatedAt: updatedAt ?? null,
    fields: Object.fromEntries(fields),
  };
}
