/** Counts something of each account. An account with none of it takes no memory. */
export class AccountCounts {
  readonly #counts = new Map<string, number>();

  /** Returns the count of an account; 0 if it has none. */
  of(accountId: string): number {
    return this.#counts.get(accountId) ?? 0;
  }

  /** Counts one more. */
  add(accountId: string): void {
    this.#counts.set(accountId, this.of(accountId) + 1);
  }

  /** Counts one less. */
  remove(accountId: string): void {
    const left = this.of(accountId) - 1;
    if (left > 0) this.#counts.set(accountId, left);
    else this.#counts.delete(accountId);
  }
}
