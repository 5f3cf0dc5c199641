import type { IncomingMessage } from 'node:http';
import type { Authenticator } from '@bulk/auth';
import { accountIdSchema, InvalidInputError } from '@bulk/domain';

/**
 * The header that names the account. Browsers, which cannot set it, use the query parameter
 * `accountId`.
 */
export const ACCOUNT_HEADER = 'x-account-id';
export const ACCOUNT_PARAMETER = 'accountId';
export const HOW_TO_NAME_ACCOUNT = `header ${ACCOUNT_HEADER} or query ?${ACCOUNT_PARAMETER}= of the upgrade request`;
/**
 * The query parameter for the token of browsers, which cannot set a header.
 *
 * URLs end up in the logs of every system in between, and in a browser's history, so such a token
 * should live for minutes only. Clients that can set `Authorization` should do so.
 */
export const TOKEN_PARAMETER = 'access_token';
export const HOW_TO_AUTHENTICATE = `header Authorization: Bearer <token> or query ?${TOKEN_PARAMETER}=`;

/** The owner of a connection. */
export interface ConnectionOwner {
  /**
   * `undefined` in mode `header` only: the client may follow actions whose ids it knows, and no
   * account.
   */
  readonly accountId: string | undefined;
  /** When the connection must end; `null` if it need not. */
  readonly expiresAt: Date | null;
}

/**
 * Determines the owner of the connection that an upgrade request asks for.
 *
 * @throws InvalidInputError `INVALID_ACCOUNT` in mode `header`; in mode `jwt` what Authenticator
 * throws.
 */
export async function ownerOf(
  request: Pick<IncomingMessage, 'headers'>,
  url: URL,
  authenticator: Authenticator,
): Promise<ConnectionOwner> {
  const { authorization } = request.headers;
  const accessToken = url.searchParams.get(TOKEN_PARAMETER) ?? undefined;
  const named = namedAccounts(request, url).map(({ value }) => value);
  const identity = await authenticator.authenticate({ authorization, accessToken }, named);
  return identity ?? { accountId: accountOf(request, url), expiresAt: null };
}

/**
 * Returns the account that an upgrade request names, or `undefined`.
 *
 * @throws InvalidInputError `INVALID_ACCOUNT` if a name is invalid, or two names differ.
 */
export function accountOf(request: Pick<IncomingMessage, 'headers'>, url: URL): string | undefined {
  const named = namedAccounts(request, url);
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

function namedAccounts(
  request: Pick<IncomingMessage, 'headers'>,
  url: URL,
): { readonly field: string; readonly value: string }[] {
  const header = request.headers[ACCOUNT_HEADER];
  return [
    ...(header === undefined ? [] : [{ field: `header ${ACCOUNT_HEADER}`, value: String(header) }]),
    ...url.searchParams
      .getAll(ACCOUNT_PARAMETER)
      .map((value) => ({ field: `query ${ACCOUNT_PARAMETER}`, value })),
  ];
}

function invalid(field: string, message: string): InvalidInputError {
  return new InvalidInputError('INVALID_ACCOUNT', `${field}: ${message}`, [{ field, message }]);
}
