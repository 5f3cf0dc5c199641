import { OPERATIONS } from '@bulk/contracts';
import { AccountForbiddenError, type Authenticator, type Identity } from '@bulk/auth';
import { accountIdSchema } from '@bulk/domain';
import type { Context, Middleware } from 'koa';
import { ACCOUNT_HEADER, resolveAccount } from './account.ts';
import type { RateLimit } from './rate-limit.ts';

export interface AdmissionOptions {
  readonly authenticator: Authenticator;
  /** `undefined` if there is no limit. */
  readonly rateLimit: RateLimit | undefined;
}

/** The state that `admission` leaves for `accountOf`. */
interface AdmittedState {
  /** The account, if it is known before the body is read. */
  account?: string | undefined;
  accountFor?: (parameter: string | undefined) => Promise<string>;
}

/**
 * The first path segments of all operations. Everything below them belongs to an account. The
 * documentation is open.
 */
const OF_ACCOUNTS: ReadonlySet<string> = new Set(
  Object.values(OPERATIONS).map(({ path }) => firstSegmentOf(path)),
);

/**
 * Determines the owner of a request and counts the request before its body is read.
 *
 * So a request that is refused costs little. If only the body names the account (mode `header`),
 * `accountOf` does both.
 */
export function admission({ authenticator, rateLimit }: AdmissionOptions): Middleware {
  return async (ctx, next) => {
    // OPTIONS shows what a path offers, and nothing of an account.
    if (ctx.method === 'OPTIONS' || !OF_ACCOUNTS.has(firstSegmentOf(ctx.path))) {
      await next();
      return;
    }
    // Data of an account must not be cached, least of all in a cache that several accounts share.
    ctx.set('cache-control', 'no-store');
    ctx.vary([ACCOUNT_HEADER, 'authorization']);
    const header = ctx.get(ACCOUNT_HEADER) || undefined;
    const inQuery = [ctx.query['accountId'] ?? []].flat();
    const identity = await authenticator.authenticate({ authorization: ctx.get('authorization') }, [
      header,
      ...inQuery,
    ]);

    let counted: string | undefined;
    const count = async (accountId: string): Promise<string> => {
      if (counted !== accountId) await rateLimit?.count(ctx, accountId);
      counted = accountId;
      return accountId;
    };
    const early = identity?.accountId ?? namedEarly(header, inQuery);
    if (early !== undefined) await count(early);
    (ctx.state as AdmittedState).account = early;
    (ctx.state as AdmittedState).accountFor = (parameter) =>
      count(identity === null ? resolveAccount({ header, parameter }) : ownAccount(identity, parameter));
    await next();
  };
}

/**
 * Returns the account that an admitted request is for.
 *
 * @param parameter `accountId` of the body or the query, validated.
 * @throws InvalidInputError if there is none, if there are two different ones, or if one has a
 * wrong form; AccountForbiddenError if it is not the token's; RestError if its rate limit, not
 * known before, is reached.
 */
export function accountOf(ctx: Context, parameter: string | undefined): Promise<string> {
  const { accountFor } = ctx.state as AdmittedState;
  if (accountFor === undefined) throw new TypeError(`${ctx.path}: nobody has asked whose this request is`);
  return accountFor(parameter);
}

/** Returns the account that an admitted request is for, if it is known before the body is read. */
export function earlyAccountOf(ctx: Context): string | undefined {
  return (ctx.state as AdmittedState).account;
}

/**
 * Returns the account by which mode `header` counts a request before its body is read.
 *
 * The header alone decides. The route reports faults of the query, or a contradiction between the
 * two, because only the route knows whether it has such a parameter.
 */
function namedEarly(header: string | undefined, [inQuery]: readonly string[]): string | undefined {
  if (header !== undefined) return resolveAccount({ header, parameter: undefined });
  const parsed = accountIdSchema.safeParse(inQuery);
  return parsed.success ? parsed.data : undefined;
}

function ownAccount({ accountId }: Identity, parameter: string | undefined): string {
  if (parameter !== undefined && parameter !== '' && parameter !== accountId)
    throw new AccountForbiddenError();
  return accountId;
}

/** Returns the first segment in lower case, because routes match in any case. */
function firstSegmentOf(path: string): string {
  return path.split('/', 2)[1]?.toLowerCase() ?? '';
}
