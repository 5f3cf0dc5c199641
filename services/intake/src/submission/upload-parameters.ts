import { fieldIssues } from '@bulk/action-types';
import {
  actionParametersSchema,
  columnMapSchema,
  DEFAULT_INVALID_ROWS,
  uploadQuerySchema,
  type ActionParameters,
  type ColumnMap,
  type InvalidRows,
} from '@bulk/contracts';
import {
  inexactNumbers,
  InvalidInputError,
  isDeeperThan,
  MAX_DEPTH,
  protoKeys,
  type FieldIssue,
} from '@bulk/domain';
import { parseJson, type ParsedJson } from '@bulk/uploads';
import { z } from 'zod';

/** How the file of an upload is read. */
export interface FileParameters {
  /** Delimiter of the cells of a CSV; `undefined` if it must be found from the file. */
  readonly delimiter: string | undefined;
  /** Whether formulas in the cells of a CSV are escaped. */
  readonly escaped: boolean;
  readonly invalidRows: InvalidRows;
  readonly columns: ColumnMap | undefined;
  /** The name of a saved mapping, in place of `columns`. */
  readonly mapping: string | undefined;
}

export interface UploadParameters {
  readonly parameters: ActionParameters;
  readonly file: FileParameters;
}

const TWO_MAPS: FieldIssue = { field: 'mapping', message: 'expected either mapping or columns, not both' };

/**
 * Parses the parameters of an upload from its query.
 *
 * @throws InvalidInputError that names every field at fault.
 */
export function parseUploadQuery(query: unknown): UploadParameters {
  const parsed = uploadQuerySchema.safeParse(query);
  if (!parsed.success) throw invalid(parsed.error);
  const {
    delimiter,
    escaped,
    invalidRows = DEFAULT_INVALID_ROWS,
    columns,
    mapping,
    ...parameters
  } = parsed.data;
  const unseen = [
    ...protoKeys({ config: parameters.config, retry: parameters.retry, columns }),
    ...lostNumbers(query, 'config'),
    ...lostNumbers(query, 'retry'),
    ...repeatedKeys(query, 'columns'),
    ...(columns === undefined || mapping === undefined ? [] : [TWO_MAPS]),
  ];
  if (unseen.length > 0) throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', unseen);
  const checked = actionParametersSchema.safeParse(parameters);
  if (!checked.success) throw invalid(checked.error);
  const map = z.object({ columns: columnMapSchema.optional() }).safeParse({ columns });
  if (!map.success) throw invalid(map.error);
  if (isDeeperThan(checked.data.config, MAX_DEPTH)) {
    throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [
      { field: 'config', message: `expected at most ${MAX_DEPTH} levels of nesting` },
    ]);
  }
  return {
    parameters: checked.data,
    file: { delimiter, escaped, invalidRows, columns: map.data.columns, mapping },
  };
}

function invalid(error: Parameters<typeof fieldIssues>[0]): InvalidInputError {
  return new InvalidInputError('INVALID_REQUEST', 'the request is invalid', fieldIssues(error));
}

/**
 * Finds numbers of a JSON parameter that its schema has changed, because a double does not hold
 * them.
 */
function lostNumbers(query: unknown, name: 'config' | 'retry'): FieldIssue[] {
  const parsed = jsonOf(query, name);
  return parsed?.ok === true ? inexactNumbers(parsed.value, name) : [];
}

/** Finds a key that a JSON parameter names twice. Its schema has dropped one of the two. */
function repeatedKeys(query: unknown, name: 'columns'): FieldIssue[] {
  const parsed = jsonOf(query, name);
  return parsed?.ok === false ? [{ field: name, message: parsed.message }] : [];
}

function jsonOf(query: unknown, name: string): ParsedJson | undefined {
  const text: unknown = new Map<string, unknown>(Object.entries(query ?? {})).get(name);
  return typeof text === 'string' ? parseJson(text) : undefined;
}
