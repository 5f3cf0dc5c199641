import { fieldIssues } from '@bulk/actions';
import { actionParametersSchema, uploadQuerySchema, type ActionParameters } from '@bulk/contracts';
import { InvalidInputError, protoKeys } from '@bulk/domain';

export interface UploadParameters {
  readonly parameters: ActionParameters;
  /** Of the cells of a CSV; undefined: to be found from the file. */
  readonly delimiter: string | undefined;
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
  const unseen = protoKeys({ config: parameters.config, retry: parameters.retry });
  if (unseen.length > 0) throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', unseen);
  const checked = actionParametersSchema.safeParse(parameters);
  if (!checked.success) throw invalid(checked.error);
  return { parameters: checked.data, delimiter };
}

function invalid(error: Parameters<typeof fieldIssues>[0]): InvalidInputError {
  return new InvalidInputError('INVALID_REQUEST', 'the request is invalid', fieldIssues(error));
}
