import type {
  ACTION_SORTS,
  LOG_SORTS,
  ActionView,
  ColumnMap,
  CreateActionRequest,
  InvalidRows,
  LogEntry,
  LogPagination,
  ActionPagination,
  RecordSort,
} from '@bulk/contracts';
import type { ActionStatus, Lane, OutcomeStatus } from '@bulk/domain';

export interface CreateOptions {
  /** 1 to 255 printable ASCII characters. @default a random UUID for each call */
  readonly idempotencyKey?: string;
  /**
   * Maximum time for the request and its answer, in ms.
   *
   * @default 600,000 with a filter, whose records are read before the answer; else `requestTimeoutMs`
   */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The parameters of `createAction`, without the entities or the filter. */
export type UploadParameters = Omit<CreateActionRequest, 'entities' | 'filter' | 'failOnEmpty'> & {
  /** The URL that is notified when the action has ended. */
  readonly callbackUrl?: string;
  /** Whether the cells of a CSV are as `exportEntities` writes them without `exact`. @default false */
  readonly escaped?: boolean;
  /** The delimiter of a CSV. @default the one that the API finds in the header */
  readonly delimiter?: 'comma' | 'semicolon' | 'tab' | 'pipe';
  /**
   * What becomes of rows that are no entities: each fails at its own position, or the upload is refused.
   *
   * @default `fail`
   */
  readonly invalidRows?: InvalidRows;
  /** The fields of the columns of a CSV, by title; null ignores a column. */
  readonly columns?: ColumnMap;
  /** The name of a saved column mapping, in place of `columns`. */
  readonly mapping?: string;
};

export interface UploadOptions extends CreateOptions {
  readonly contentType: 'text/csv' | 'application/x-ndjson';
  /** The compression of the body, if the body is compressed already. */
  readonly contentEncoding?: 'gzip';
  /** Maximum time for the upload and its answer, in ms. @default 600,000 */
  readonly timeoutMs?: number;
}

export interface ListActionsOptions {
  readonly status?: ActionStatus;
  readonly actionType?: string;
  readonly entityType?: string;
  readonly priority?: Lane;
  /** 1 to 1000; default 50. */
  readonly limit?: number;
  readonly skip?: number;
  /** A field, or `-field` for descending order. @default `-createdAt` */
  readonly sort?: (typeof ACTION_SORTS)[number];
}

export interface ActionsPage {
  readonly entries: ActionView[];
  /** With `atLeast`, there are `total` actions or more. */
  readonly pagination: ActionPagination;
}

/** Selects outcomes of an action. An outcome matches if it matches each condition that is given. */
export interface OutcomeFilter {
  /** Only outcomes of this kind. */
  readonly type?: OutcomeStatus;
  /** Only failures and skips with one of these codes. */
  readonly code?: string | readonly string[];
  /** Only outcomes of the entity with this id. */
  readonly id?: string;
  /** Only outcomes of positions with this ref. */
  readonly ref?: string;
}

/** With `code`, `id` or `ref`, `skip` is refused. A page can then be empty although `more` is true. */
export interface LogsOptions extends OutcomeFilter {
  /** 1 to 1000; default 50. */
  readonly limit?: number;
  /** Number of outcomes before the page, among the outcomes so far. */
  readonly skip?: number;
  /**
   * Returns only positions after this one; it replaces `skip`, and is fast on deep pages. Without `skip`, a page of a
   * running action ends before the first position that has no outcome yet.
   */
  readonly after?: number;
  /** `-position` means from the highest position to the lowest, and `after` continues below. @default `position` */
  readonly sort?: (typeof LOG_SORTS)[number];
}

export interface LogsPage {
  readonly entries: LogEntry[];
  /** With `more`, outcomes follow or will follow. Request them with `after: next`. */
  readonly pagination: LogPagination;
}

export interface ResultsFile {
  readonly format: 'csv' | 'ndjson';
  /**
   * CSV: writes every value unchanged. By default, an apostrophe precedes a value that a spreadsheet would run as a
   * formula.
   *
   * @default false
   */
  readonly exact?: boolean;
}

export interface ResultsOptions extends OutcomeFilter {
  /** Adds what was sent for each position, as long as it is kept. @default only the outcomes */
  readonly include?: 'input';
  readonly signal?: AbortSignal;
}

export interface UndoOptions {
  /** Only predicts the outcomes of the undo. @default false */
  readonly dryRun?: boolean;
  /** Maximum time for the request and its answer, in ms. @default 600,000 */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Conditions on the fields of records, such as `{ ownerId: 'user-1', score: { gte: 50 } }`. */
export type RecordFilter = Readonly<Record<string, unknown>>;

export interface ListEntitiesOptions {
  /** @default all records */
  readonly filter?: RecordFilter;
  /** A field, or `-field` for descending order. @default `id` */
  readonly sort?: RecordSort;
  /** Number of records per request, 1 to 1000. @default 1000 */
  readonly limit?: number;
}

export interface ExportEntitiesOptions extends Pick<ResultsFile, 'format' | 'exact'> {
  /** @default all records */
  readonly filter?: RecordFilter;
  /** The fields in the order of the columns after `id`; `expectedVersion` adds the version. @default all fields */
  readonly fields?: readonly string[];
  readonly signal?: AbortSignal;
}
