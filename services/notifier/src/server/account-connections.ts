import { CodedError } from '@bulk/domain';
import { AccountCounts } from '../limits/account-counts.ts';

/** Thrown when an account has reached its maximum number of connections. */
export class TooManyAccountConnectionsError extends CodedError {
  constructor(limit: number) {
    super(
      'TOO_MANY_ACCOUNT_CONNECTIONS',
      `an account, or all clients that name none, may have ${limit} connections at once; try again`,
      { retryable: true, details: { limit } },
    );
  }
}

/** Counts the connections of each account, so that no account takes the places of all others. */
export class AccountConnections {
  readonly #limit: number;
  readonly #open = new AccountCounts();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Takes a place for a connection.
   *
   * @returns a function that gives the place back. Call it once.
   * @throws TooManyAccountConnectionsError.
   */
  take(accountId: string): () => void {
    if (this.#open.of(accountId) >= this.#limit) throw new TooManyAccountConnectionsError(this.#limit);
    this.#open.add(accountId);
    return () => this.#open.remove(accountId);
  }
}
