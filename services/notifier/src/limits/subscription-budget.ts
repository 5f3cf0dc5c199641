import { CodedError } from '@bulk/domain';
import { AccountCounts } from './account-counts.ts';

/** Thrown when an account has reached its maximum number of subscriptions. */
export class TooManyAccountSubscriptionsError extends CodedError {
  constructor(limit: number) {
    super(
      'TOO_MANY_ACCOUNT_SUBSCRIPTIONS',
      `an account may have ${limit} subscriptions, one for each action that a connection is shown: end some of them`,
      { details: { limit } },
    );
  }
}

/** Time that a client without room is to wait, in ms. */
const RETRY_AFTER_MS = 5_000;

/** Thrown when this process has reached its maximum number of subscriptions. */
export class SubscriptionsExhaustedError extends CodedError {
  constructor() {
    // Without a time, a client that has other subscriptions would reconnect again and again without a rest.
    super('SUBSCRIPTIONS_EXHAUSTED', 'there is no room for another subscription now; try again', {
      retryable: true,
      details: { retryAfterMs: RETRY_AFTER_MS },
    });
  }
}

export interface SubscriptionLimits {
  /** Maximum number of subscriptions of all connections of an account. */
  readonly perAccount: number;
  /** Maximum number of subscriptions of all connections. */
  readonly total: number;
}

/** Counts the subscriptions of a process, per account and in total. */
export class SubscriptionBudget {
  readonly #limits: SubscriptionLimits;
  readonly #ofAccounts = new AccountCounts();
  #total = 0;

  constructor(limits: SubscriptionLimits) {
    this.#limits = limits;
  }

  /** Number of subscriptions that are counted now. */
  get size(): number {
    return this.#total;
  }

  /**
   * Takes a place.
   *
   * @param accountId `undefined` for a connection without an account.
   * @throws TooManyAccountSubscriptionsError, SubscriptionsExhaustedError.
   */
  take(accountId: string | undefined): void {
    const { perAccount, total } = this.#limits;
    const own = accountId === undefined ? 0 : this.#ofAccounts.of(accountId);
    if (own >= perAccount) throw new TooManyAccountSubscriptionsError(perAccount);
    if (this.#total >= total) throw new SubscriptionsExhaustedError();
    this.#total += 1;
    if (accountId !== undefined) this.#ofAccounts.add(accountId);
  }

  /** Gives a place back. */
  giveBack(accountId: string | undefined): void {
    this.#total -= 1;
    if (accountId !== undefined) this.#ofAccounts.remove(accountId);
  }
}
