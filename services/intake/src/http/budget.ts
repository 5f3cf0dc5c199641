import { RestError } from '@bulk/contracts';

export interface BudgetOptions {
  /** What all requests may hold at once. */
  readonly total: number;
  /** What the requests of one account may hold at once. */
  readonly perAccount: number;
  /** Names what is held in messages: "uploads". */
  readonly unit: string;
}

/** What one request holds of a budget. */
export interface Share {
  /**
   * Takes more.
   *
   * @throws RestError 503 `TOO_BUSY`; 429 `ACCOUNT_TOO_BUSY` if only the account's part is used up.
   */
  take(amount: number): void;
  /** Gives everything back. Further calls do nothing. */
  release(): void;
}

/** Bounds what requests hold at once, in sum and per account. A request that finds no room is refused and may try again. */
export class Budget {
  readonly #options: BudgetOptions;
  readonly #accounts = new Map<string, number>();
  #held = 0;

  constructor(options: BudgetOptions) {
    this.#options = options;
  }

  /** What is held now. */
  get held(): number {
    return this.#held;
  }

  /**
   * Opens an empty share.
   *
   * @param account undefined: not known yet; only the total counts.
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
