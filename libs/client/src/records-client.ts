import {
  entityPaginationSchema,
  entityRecordSchema,
  MAX_LIMIT,
  type EntityRecordView,
} from '@bulk/contracts';
import type { HttpApi } from './http-api.ts';
import type { ExportEntitiesOptions, ListEntitiesOptions, RecordFilter } from './rest-types.ts';

/** The part of the client that reads records. Its calls throw as those of `RestClient` do. */
export class RecordsClient {
  readonly #http: HttpApi;

  protected constructor(http: HttpApi) {
    this.#http = http;
  }

  /** Returns a record with its `version`. It throws BulkApiError `ENTITY_NOT_FOUND` if there is none. */
  getEntity(entityType: string, id: string): Promise<EntityRecordView> {
    return this.#http.one({ path: pathOf(entityType, id) }, entityRecordSchema);
  }

  /** Iterates over the records of a filter and requests each page when it is needed. */
  async *listEntities(
    entityType: string,
    { filter, sort, limit = MAX_LIMIT }: ListEntitiesOptions = {},
  ): AsyncGenerator<EntityRecordView> {
    let after: string | undefined;
    do {
      const page = await this.#http.page(
        { path: pathOf(entityType), query: { filter: jsonOf(filter), sort, limit, after } },
        entityRecordSchema,
        entityPaginationSchema,
      );
      yield* page.entries;
      after = page.pagination.next ?? undefined;
    } while (after !== undefined);
  }

  /**
   * Returns the records of a filter as a file that an upload takes, in pieces of its text as they arrive. The pieces may
   * be cut anywhere. Leaving the loop ends the request. Throws NetworkError if the answer breaks off.
   */
  exportEntities(
    entityType: string,
    { format, exact, filter, fields, signal }: ExportEntitiesOptions,
  ): AsyncGenerator<string> {
    return this.#http.text({
      path: pathOf(entityType, `export.${format}`),
      query: {
        filter: jsonOf(filter),
        fields: fields?.join(','),
        exact: format === 'csv' ? exact : undefined,
      },
      headers: { accept: `${format === 'csv' ? 'text/csv' : 'application/x-ndjson'}, application/json` },
      signal,
    });
  }
}

function pathOf(...parts: readonly string[]): string {
  return ['entities', ...parts.map((part) => encodeURIComponent(part))].join('/');
}

function jsonOf(filter: RecordFilter | undefined): string | undefined {
  return filter === undefined ? undefined : JSON.stringify(filter);
}
