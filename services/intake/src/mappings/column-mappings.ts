import type { ActionRegistry } from '@bulk/action-types';
import { RestError, type ColumnMap, type ColumnMapping, type ColumnMappingInput } from '@bulk/contracts';
import { InvalidInputError } from '@bulk/domain';
import { DUPLICATE_KEY, stored, StoreError, type Database, type StoredColumnMapping } from '@bulk/mongo';
import { columnMapIssues, namesOf, quoted } from '@bulk/uploads';
import { MongoServerError } from 'mongodb';

/** Maximum number of tries of a change that meets another change of the same account. */
const ATTEMPTS = 8;

export interface ColumnMappingsOptions {
  readonly database: Pick<Database, 'columnMappings'>;
  readonly registry: ActionRegistry;
  /** Maximum number of mappings of one account. */
  readonly perAccount: number;
  readonly now: () => Date;
}

/** The saved column mappings of all accounts. */
export class ColumnMappings {
  readonly #options: ColumnMappingsOptions;

  constructor(options: ColumnMappingsOptions) {
    this.#options = options;
  }

  /** Returns the mappings of an account, by name. @throws StoreError */
  async list(accountId: string): Promise<ColumnMapping[]> {
    const { columnMappings } = this.#options.database;
    const found = await stored(columnMappings.findOne({ _id: accountId }));
    const views = (found?.mappings ?? []).map(toView);
    return views.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Returns one mapping. @throws RestError `MAPPING_NOT_FOUND`; StoreError. */
  async get(accountId: string, name: string): Promise<ColumnMapping> {
    const mapping = await this.#find(accountId, name);
    if (mapping === undefined) throw notFound(name);
    return mapping;
  }

  /**
   * Saves a mapping, in place of the one of this name.
   *
   * @throws InvalidInputError if the entity type or a target is unknown; RestError `TOO_MANY_MAPPINGS`; StoreError.
   */
  async put(
    accountId: string,
    name: string,
    { entityType, columns }: ColumnMappingInput,
  ): Promise<ColumnMapping> {
    const { registry, now } = this.#options;
    const issues = columnMapIssues(columns, namesOf(registry.entityType(entityType)));
    if (issues.length > 0) throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', issues);
    const mapping = { name, entityType, columns: JSON.stringify(columns), updatedAt: now() };
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      if ((await this.#replace(accountId, mapping)) || (await this.#add(accountId, mapping)))
        return toView(mapping);
      if ((await this.#find(accountId, name)) === undefined) throw this.#tooMany();
    }
    throw new RestError(
      'DEPENDENCY_UNAVAILABLE',
      'the mapping is being changed by other requests; try again',
    );
  }

  /** Deletes a mapping. @returns it. @throws RestError `MAPPING_NOT_FOUND`; StoreError. */
  async remove(accountId: string, name: string): Promise<ColumnMapping> {
    const before = await stored(
      this.#options.database.columnMappings.findOneAndUpdate(
        { _id: accountId, 'mappings.name': name },
        { $pull: { mappings: { name } } },
      ),
    );
    const removed = before?.mappings.find((mapping) => mapping.name === name);
    if (removed === undefined) throw notFound(name);
    return toView(removed);
  }

  /**
   * Returns the columns of a mapping that an upload names.
   *
   * @throws RestError 422 `MAPPING_NOT_FOUND`; InvalidInputError if the mapping is for another entity type; StoreError.
   */
  async columnsFor(accountId: string, name: string, entityType: string): Promise<ColumnMap> {
    const mapping = await this.#find(accountId, name);
    if (mapping === undefined) throw notFound(name, 422);
    if (mapping.entityType === entityType) return mapping.columns;
    throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [
      {
        field: 'mapping',
        message: `expected a mapping of the entity type ${entityType}, found one of ${mapping.entityType}`,
      },
    ]);
  }

  async #find(accountId: string, name: string): Promise<ColumnMapping | undefined> {
    const found = await stored(
      this.#options.database.columnMappings.findOne(
        { _id: accountId, 'mappings.name': name },
        { projection: { mappings: { $elemMatch: { name } } } },
      ),
    );
    const mapping = found?.mappings[0];
    return mapping && toView(mapping);
  }

  async #replace(accountId: string, mapping: StoredColumnMapping): Promise<boolean> {
    const replaced = await stored(
      this.#options.database.columnMappings.updateOne(
        { _id: accountId, 'mappings.name': mapping.name },
        { $set: { 'mappings.$': mapping } },
      ),
    );
    return replaced.matchedCount > 0;
  }

  /** Adds a mapping. @returns false if there is one of this name by now, or no room for another one. */
  async #add(accountId: string, mapping: StoredColumnMapping): Promise<boolean> {
    const { database, perAccount } = this.#options;
    if (perAccount === 0) return false;
    try {
      await stored(
        database.columnMappings.updateOne(
          {
            _id: accountId,
            'mappings.name': { $ne: mapping.name },
            [`mappings.${perAccount - 1}`]: { $exists: false },
          },
          { $push: { mappings: mapping } },
          { upsert: true },
        ),
      );
      return true;
    } catch (error) {
      if (isDuplicate(error)) return false;
      throw error;
    }
  }

  #tooMany(): RestError {
    const limit = this.#options.perAccount;
    return new RestError(
      'TOO_MANY_MAPPINGS',
      `an account may save ${limit} column mappings; delete one first`,
      { details: { limit } },
    );
  }
}

function isDuplicate(error: unknown): boolean {
  return (
    error instanceof StoreError &&
    error.cause instanceof MongoServerError &&
    error.cause.code === DUPLICATE_KEY
  );
}

function toView({ name, entityType, columns, updatedAt }: StoredColumnMapping): ColumnMapping {
  return { name, entityType, columns: JSON.parse(columns) as ColumnMap, updatedAt: updatedAt.toISOString() };
}

function notFound(name: string, status?: number): RestError {
  return new RestError(
    'MAPPING_NOT_FOUND',
    `there is no column mapping ${quoted(name)} in this account`,
    status === undefined
      ? {}
      : { status, issues: [{ field: 'mapping', message: 'expected the name of a saved mapping' }] },
  );
}
