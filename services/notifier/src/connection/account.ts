import type { IncomingMessage } from 'node:http';
import { accountIdSchema, InvalidInputError } from '@bulk/domain';

/** The header that names the account; browsers, which cannot set it, use the query parameter `accountId`. */
export const ACCOUNT_HEADER = 'x-account-id';
export const ACCOUNT_PARAMETER = 'accountId';
export const HOW_TO_NAME_ACCOUNT = `header ${ACCOUNT_HEADER} or query ?${ACCOUNT_PARAMETER}= of the upgrade request`;

/**
 * The account that an upgrade request names, or undefined.
 *
 * @throws InvalidInputError `INVALID_ACCOUNT` when a name is not one, or two differ.
 */
export function accountOf(request: Pick<IncomingMessage, 'headers'>, url: URL): string | undefined {
  const header = request.headers[ACCOUNT_HEADER];
  const named = [
    ...(header === undefined ? [] : [{ field: `header ${ACCOUNT_HEADER}`, value: String(header) }]),
    ...url.searchParams
      .getAll(ACCOUNT_PARAMETER)
      .map((value) => ({ field: `query ${ACCOUNT_PARAMETER}`, value })),
  ];
  for (const { field, value } of named) {
    const result = accountIdSchema.safeParse(value);
    if (!result.success) throw invalid(field, result.error.issues[0]?.message ?? 'expected an account');
  }
  const first = named[0]?.value;
  const other = named.find(({ value }) => value !== first);
  if (other !== undefined)
    throw invalid(other.field, 'expected one account, and two different ones are named');
  return first;
}

function invalid(field: string, message: string): InvalidInputError {
  return new InvalidInputError('INVALID_ACCOUNT', `${field}: ${message}`, [{ field, message }]);
}
