import type { EntityType, BulkActionHandler } from '@bulk/action-types';
import type { ColumnMap } from '@bulk/contracts';
import { InvalidInputError, type IncomingRow, type RowIdentity } from '@bulk/domain';
import { csvEntities, ndjsonEntities } from '@bulk/uploads';
import type { UploadMediaType } from './file-part.ts';
import type { EntityLimits } from './parse-request.ts';
import type { FileParameters } from './upload-parameters.ts';

/** A file that is being uploaded. */
export interface UploadedFile {
  readonly mediaType: UploadMediaType;
  readonly charset: string | undefined;
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface UploadRowsOptions {
  readonly file: Omit<FileParameters, 'columns'>;
  /** A delimiter that a CSV may have in addition to the usual ones. */
  readonly likelyDelimiter?: string | undefined;
  /** Number of bytes that a row of a CSV may have in addition to those of an entity. */
  readonly extraRowBytes?: number;
  /** What the caller says about the columns of a CSV. */
  readonly columns: ColumnMap | undefined;
  readonly entityType: EntityType;
  /** How the rows name their entities. */
  readonly identity: RowIdentity;
  readonly handler: Pick<BulkActionHandler, 'unknownFields'>;
  readonly limits: EntityLimits;
}

/**
 * Reads the rows of an uploaded file.
 *
 * @throws InvalidInputError if a parameter does not fit the format of the file. The rows throw their own faults; see
 * `csvEntities` and `ndjsonEntities`.
 */
export function uploadedRows(
  { mediaType, charset, bytes }: UploadedFile,
  {
    file: { delimiter, escaped, invalidRows, mapping },
    likelyDelimiter,
    extraRowBytes = 0,
    columns,
    entityType,
    identity,
    handler,
    limits,
  }: UploadRowsOptions,
): AsyncIterable<IncomingRow> {
  // As many empty lines as entities: every second line of a file may be empty.
  const maxEmptyLines = limits.maxEntities;
  if (mediaType === 'text/csv')
    return csvEntities(bytes, {
      delimiter,
      likelyDelimiter,
      escaped,
      charset,
      entityType,
      identity,
      columns,
      invalidRows,
      maxRowBytes: limits.maxEntityBytes,
      extraRowBytes,
      maxEmptyLines,
      keepSource: true,
      unknownColumns: (names) => handler.unknownFields?.(names, entityType) ?? [],
    });
  if (columns !== undefined) throw onlyForCsv(mapping === undefined ? 'columns' : 'mapping');
  return ndjsonEntities(bytes, {
    maxLineBytes: limits.maxEntityBytes,
    maxEmptyLines,
    identity,
    charset,
    invalidRows,
  });
}

/** Returns what the caller says about the columns: itself, or by the name of a saved mapping. */
export async function columnsOf(
  { columns, mapping }: FileParameters,
  saved: (name: string) => Promise<ColumnMap>,
): Promise<ColumnMap | undefined> {
  return mapping === undefined ? columns : saved(mapping);
}

function onlyForCsv(field: string): InvalidInputError {
  return new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [
    { field, message: 'expected only with a CSV; each line of NDJSON names its fields itself' },
  ]);
}
