import { accountIdSchema, InvalidInputError } from '@bulk/domain';

export const ACCOUNT_HEADER = 'x-account-id';

/** Where a request may name its account. An empty value counts as absent. */
export interface AccountSources {
  readonly header: string | undefined;
  /** `accountId` of the body or the query. */
  readonly parameter: string | undefined;
}

/**
 * Determines the account that a request is for (G9).
 *
 * @throws InvalidInputError if there is none, if there are two different ones, or if one has a
 * wrong form.
 */
export function resolveAccount({ header, parameter }: AccountSources): string {
  const named = [header, parameter].filter((account) => account !== undefined && account !== '');
  const [account, other] = named;
  if (account === undefined) {
    throw new InvalidInputError(
      'ACCOUNT_REQUIRED',
      `name the account in the header ${ACCOUNT_HEADER}, or as accountId`,
      [{ field: ACCOUNT_HEADER, message: 'expected the id of an account, here or as accountId' }],
    );
  }
  if (other !== undefined && other !== account) {
    throw new InvalidInputError('ACCOUNT_MISMATCH', 'the request names two accounts', [
      { field: 'accountId', message: `expected the account of the header ${ACCOUNT_HEADER}, or none` },
    ]);
  }
  const parsed = accountIdSchema.safeParse(account);
  if (parsed.success) return parsed.data;
  const field = account === header ? ACCOUNT_HEADER : 'accountId';
  throw new InvalidInputError('INVALID_ACCOUNT', 'the account id is invalid', [
    { field, message: parsed.error.issues[0]?.message ?? 'expected an account id' },
  ]);
}
