import { fieldIssues } from '@bulk/action-types';
import { uploadQuerySchema, type ActionParameters } from '@bulk/contracts';
import { InvalidInputError } from '@bulk/domain';

/** Parameters that an upload with `retryOf` may repeat. */
export type RepeatedParameters = Readonly<Partial<Record<keyof ActionParameters, unknown>>>;

/** The query of a corrected file. Its parameters are those of the action that it corrects. */
export interface CorrectedQuery {
  readonly retryOf: string;
  readonly accountId: string | undefined;
  /** The query without `retryOf`. */
  readonly others: Readonly<Record<string, unknown>>;
  readonly given: RepeatedParameters;
}

/**
 * Parses the query of an upload with `retryOf`; undefined if the query has none.
 *
 * @throws InvalidInputError that names every field at fault.
 */
export function parseCorrectedQuery(query: Readonly<Record<string, unknown>>): CorrectedQuery | undefined {
  if (query['retryOf'] === undefined) return undefined;
  const parsed = uploadQuerySchema.safeParse(query);
  if (!parsed.success)
    throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', fieldIssues(parsed.error));
  const { retryOf, accountId } = parsed.data;
  const given = without(parsed.data, OWN_PARAMETERS);
  const others = without(query, RETRY_OF);
  return retryOf === undefined ? undefined : { retryOf: retryOf.toLowerCase(), accountId, others, given };
}

const RETRY_OF: ReadonlySet<string> = new Set(['retryOf']);
/** The parameters that are not those of the action: they say whose it is, and how the file is read. */
const OWN_PARAMETERS: ReadonlySet<string> = new Set([
  ...RETRY_OF,
  'accountId',
  'delimiter',
  'escaped',
  'invalidRows',
  'columns',
  'mapping',
]);

function without(
  query: Readonly<Record<string, unknown>>,
  names: ReadonlySet<string>,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(query).filter(([name]) => !names.has(name)));
}
