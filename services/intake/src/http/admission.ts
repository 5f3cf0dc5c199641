import { OPERATIONS } from '@bulk/contracts';
import { AccountForbiddenError, type Authenticator, type Identity } from '@bulk/auth';
import { accountIdSchema } from '@bulk/domain';
import type { Context, Middleware } from 'koa';
import { ACCOUNT_HEADER, resolveAccount } from './account.ts';
import type { RateLimit } from './rate-limit.ts';

export interface AdmissionOptions {
  readonly authenticator: Authenticator;
  /** Undefined: nobody is limited. */
  readonly rateLimit: RateLimit | undefined;
}

/** Left by `admission` for `accountOf`. */
interface AdmittedState {
  /** The account, if it is known before the body is read. */
  account?: string | undefined;
  accountFor?: (parameter: string | undefined) => Promise<string>;
}

/** The first segments of the paths of all operations: what is below them belongs to an account. The documentation is open. */
const OF_ACCOUNTS: ReadonlySet<string> = new Set(
  Object.values(OPERATIONS).map(({ path }) => firstSegmentOf(path)),
);

/**
 * Finds out whose a request is and counts it, before its body is read: a request that may not come in costs little. Where only
 * the body names the account (mode `header`), both happen in `accountOf`.
 */
export function admission({ authenticator, rateLimit }: AdmissionOptions): Middleware {
  return async (ctx, next) => {
    // OPTIONS tells what a path offers, and nothing of an account.
    if (ctx.method === 'OPTIONS' || !OF_ACCOUNTS.has(firstSegmentOf(ctx.path))) {
      await next();
      return;
    }
    // What belongs to an account is for nobody's cache, least of all for one that several accounts share.
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
 * The account that an admitted request is for.
 *
 * @param parameter `accountId` of the body or the query, validated.
 * @throws InvalidInputError when there is none, two that differ, or one of a wrong form; AccountForbiddenError when it is not
 *   the token's; RestError when its rate limit, not known before, is reached.
 */
export function accountOf(ctx: Context, parameter: string | undefined): Promise<string> {
  const { accountFor } = ctx.state as AdmittedState;
  if (accountFor === undefined) throw new TypeError(`${ctx.path}: nobody has asked whose this request is`);
  return accountFor(parameter);
}

/** The account that an admitted request is for, if that is known before its body is read. */
export function earlyAccountOf(ctx: Context): string | undefined {
  return (ctx.state as AdmittedState).account;
}

/**
 * The account by which mode `header` counts a request already now. The header decides alone; what is wrong with the query, or
 * between the two, is for the route to say, which knows whether it has such a parameter.
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

/** Routes match in any case, so the segment is in lower case. */
function firstSegmentOf(path: string): string {
  return path.split('/', 2)[1]?.toLowerCase() ?? '';
}
