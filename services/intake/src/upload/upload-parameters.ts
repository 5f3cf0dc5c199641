import { fieldIssues } from '@bulk/actions';
import { actionParametersSchema, uploadQuerySchema, type ActionParameters } from '@bulk/contracts';
import { InvalidInputError } from '@bulk/domain';
import { isDeeperThan, MAX_DEPTH } from '../staging/nesting.ts';

export interface UploadParameters {
  readonly parameters: ActionParameters;
  /** Of the cells of a CSV. */
  readonly delimiter: string;
}

/**
 * The parameters of an upload, from its query.
 *
 * @throws InvalidInputError naming every field at fault.
 */
export function parseUploadQuery(query: unknown): UploadParameters {
  const parsed = uploadQuerySchema.safeParse(query);
  if (!parsed.success) throw invalid(parsed.error);
  const { delimiter, ...parameters } = parsed.data;
  const checked = actionParametersSchema.safeParse(parameters);
  if (!checked.success) throw invalid(checked.error);
  if (isDeeperThan(checked.data.config, MAX_DEPTH)) {
    throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [
      { field: 'config', message: `expected at most ${MAX_DEPTH} levels of nesting` },
    ]);
  }
  return { parameters: checked.data, delimiter };
}

function invalid(error: Parameters<typeof fieldIssues>[0]): InvalidInputError {
  return new InvalidInputError('INVALID_REQUEST', 'the request is invalid', fieldIssues(error));
}
