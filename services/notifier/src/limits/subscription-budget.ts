import { CodedError } from '@bulk/domain';

/** Thrown when an account has as many subscriptions as it may have. */
export class TooManyAccountSubscriptionsError extends CodedError {
  constructor(limit: number) {
    super(
      'TOO_MANY_ACCOUNT_SUBSCRIPTIONS',
      `an account may have ${limit} subscriptions, one for each action that a connection is shown: end some of them`,
      { details: { limit } },
    );
  }
}

/** What a client that finds no room is told to wait, in ms. */
const RETRY_AFTER_MS = 5_000;

/** Thrown when this process has as many subscriptions as it may have. */
export class SubscriptionsExhaustedError extends CodedError {
  constructor() {
    // Without a time, a client that has other subscriptions would connect again and again, without a rest.
    super('SUBSCRIPTIONS_EXHAUSTED', 'there is no room for another subscription now; try again', {
      retryable: true,
      details: { retryAfterMs: RETRY_AFTER_MS },
    });
  }
}

export interface SubscriptionLimits {
  /** Subscriptions of all connections of an account. */
  readonly perAccount: number;
  /** Subscriptions of all connections. */
  readonly total: number;
}

/** Counts the subscriptions of a process, of each account and in all. */
export class SubscriptionBudget {
  readonly #limits: SubscriptionLimits;
  readonly #ofAccounts = new Map<string, number>();
  #total = 0;

  constructor(limits: SubscriptionLimits) {
    this.#limits = limits;
  }

  /** Subscriptions that are counted now. */
  get size(): number {
    return this.#total;
  }

  /**
   * Takes a place.
   *
   * @param accountId undefined: a connection without an account has the place.
   * @throws TooManyAccountSubscriptionsError, SubscriptionsExhaustedError.
   */
  take(accountId: string | undefined): void {
    const { perAccount, total } = this.#limits;
    const own = accountId === undefined ? 0 : (this.#ofAccounts.get(accountId) ?? 0);
    if (own >= perAccount) throw new TooManyAccountSubscriptionsError(perAccount);
    if (this.#total >= total) throw new SubscriptionsExhaustedError();
    this.#total += 1;
    if (accountId !== undefined) this.#ofAccounts.set(accountId, own + 1);
  }

  /** Gives a place back. */
  giveBack(accountId: string | undefined): void {
    this.#total -= 1;
    if (accountId === undefined) return;
    const left = (this.#ofAccounts.get(accountId) ?? 1) - 1;
    if (left === 0) this.#ofAccounts.delete(accountId);
    else this.#ofAccounts.set(accountId, left);
  }
}
