import { RestError } from '@bulk/contracts';

export interface BudgetOptions {
  /** Maximum amount that all requests hold at once. */
  readonly total: number;
  /** Maximum amount that the requests of one account hold at once. */
  readonly perAccount: number;
  /** Names the amount in messages, e.g. "uploads". */
  readonly unit: string;
}

/** The part of a budget that one request holds. */
export interface Share {
  /**
   * Takes more of the budget.
   *
   * @throws RestError 503 `TOO_BUSY`; 429 `ACCOUNT_TOO_BUSY` if only the account's part is used up.
   */
  take(amount: number): void;
  /** Gives everything back. Further calls do nothing. */
  release(): void;
}

/**
 * Bounds what requests hold at once, in total and per account. A request without room is refused
 * and may try again.
 */
export class Budget {
  readonly #options: BudgetOptions;
  readonly #accounts = new Map<string, number>();
  #held = 0;

  constructor(options: BudgetOptions) {
    this.#options = options;
  }

  /** The amount that is held now. */
  get held(): number {
    return this.#held;
  }

  /**
   * Opens an empty share.
   *
   * @param account `undefined` if it is not known yet. Then only the total counts.
   */
  open(account: string | undefined): Share {
    let mine = 0;
    return {
      take: (amount) => {
        this.#take(account, amount);
        mine += amount;
      },
      release: () => {
        this.#give(account, mine);
        mine = 0;
      },
    };
  }

  /**
   * Runs `work` while it holds one unit.
   *
   * @throws RestError `TOO_BUSY` or `ACCOUNT_TOO_BUSY` if there is none; what `work` throws.
   */
  async within<T>(account: string, work: () => Promise<T>): Promise<T> {
    const place = this.open(account);
    try {
      place.take(1);
      return await work();
    } finally {
      place.release();
    }
  }

  #take(account: string | undefined, amount: number): void {
    const { total, perAccount, unit } = this.#options;
    if (this.#held + amount > total) {
      const message = `the service takes ${total} ${unit} at once, and all are taken; try again`;
      throw new RestError('TOO_BUSY', message);
    }
    if (account !== undefined) {
      const held = this.#heldBy(account) + amount;
      if (held > perAccount) {
        const message = `an account may use ${perAccount} ${unit} at once; try again`;
        throw new RestError('ACCOUNT_TOO_BUSY', message, { details: { limit: perAccount } });
      }
      this.#accounts.set(account, held);
    }
    this.#held += amount;
  }

  #give(account: string | undefined, amount: number): void {
    this.#held -= amount;
    if (account === undefined) return;
    const left = this.#heldBy(account) - amount;
    if (left > 0) this.#accounts.set(account, left);
    else this.#accounts.delete(account);
  }

  #heldBy(account: string): number {
    return this.#accounts.get(account) ?? 0;
  }
}
