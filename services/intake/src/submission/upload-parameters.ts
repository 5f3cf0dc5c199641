import { fieldIssues } from '@bulk/action-types';
import { actionParametersSchema, uploadQuerySchema, type ActionParameters } from '@bulk/contracts';
import {
  inexactNumbers,
  InvalidInputError,
  isDeeperThan,
  MAX_DEPTH,
  protoKeys,
  type FieldIssue,
} from '@bulk/domain';
import { parseJson } from '@bulk/uploads';

export interface UploadParameters {
  readonly parameters: ActionParameters;
  /** Delimiter of the cells of a CSV; `undefined` if it must be found from the file. */
  readonly delimiter: string | undefined;
  /** Whether formulas in the cells of a CSV are escaped. */
  readonly escaped: boolean;
}

/**
 * Parses the parameters of an upload from its query.
 *
 * @throws InvalidInputError that names every field at fault.
 */
export function parseUploadQuery(query: unknown): UploadParameters {
  const parsed = uploadQuerySchema.safeParse(query);
  if (!parsed.success) throw invalid(parsed.error);
  const { delimiter, escaped, ...parameters } = parsed.data;
  const unseen = [
    ...protoKeys({ config: parameters.config, retry: parameters.retry }),
    ...lostNumbers(query, 'config'),
    ...lostNumbers(query, 'retry'),
  ];
  if (unseen.length > 0) throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', unseen);
  const checked = actionParametersSchema.safeParse(parameters);
  if (!checked.success) throw invalid(checked.error);
  if (isDeeperThan(checked.data.config, MAX_DEPTH)) {
    throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [
      { field: 'config', message: `expected at most ${MAX_DEPTH} levels of nesting` },
    ]);
  }
  return { parameters: checked.data, delimiter, escaped };
}

function invalid(error: Parameters<typeof fieldIssues>[0]): InvalidInputError {
  return new InvalidInputError('INVALID_REQUEST', 'the request is invalid', fieldIssues(error));
}

/**
 * Finds numbers of a JSON parameter that its schema has changed, because a double does not hold
 * them.
 */
function lostNumbers(query: unknown, name: 'config' | 'retry'): FieldIssue[] {
  const text: unknown = new Map<string, unknown>(Object.entries(query ?? {})).get(name);
  const parsed = typeof text === 'string' ? parseJson(text) : undefined;
  return parsed?.ok === true ? inexactNumbers(parsed.value, name) : [];
}
