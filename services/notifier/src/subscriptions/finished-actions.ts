import type { ProgressState } from '@bulk/contracts';

/** What one connection remembers of the finished actions of its account. */
export interface FinishedView {
  /** Records that the final state of an action was sent to this connection. */
  add(state: ProgressState): void;
  /**
   * Returns the version of the final state that this connection was sent; -1 if it is not
   * remembered.
   */
  versionOf(actionId: string): number;
  /** Forgets this connection. */
  close(): void;
}

/**
 * Remembers the finished actions of each account once, however many connections follow the account.
 *
 * The ids and versions belong to the account. A connection adds one bit for each of them: whether
 * it was sent the state.
 */
export class FinishedActions {
  readonly #limit: number;
  readonly #accounts = new Map<string, RememberedAccount>();

  /**
   * @param limit maximum number of actions that are remembered per account. The action that was
   * added first is dropped first.
   */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Number of accounts of which something is remembered. */
  get size(): number {
    return this.#accounts.size;
  }

  /** Opens the view of one connection. */
  view(accountId: string): FinishedView {
    const account = this.#accounts.get(accountId) ?? new RememberedAccount(this.#limit);
    this.#accounts.set(accountId, account);
    const sent = account.join();
    return {
      add: (state) => account.add(state, sent),
      versionOf: (actionId) => account.versionOf(actionId, sent),
      close: () => {
        account.leave(sent);
        if (account.isUnused) this.#accounts.delete(accountId);
      },
    };
  }
}

/** One bit for each place of an account. */
type SentBits = Uint8Array;

interface Place {
  readonly index: number;
  readonly version: number;
}

class RememberedAccount {
  readonly #limit: number;
  /** The places of the actions, in the order in which these were first added. */
  readonly #places = new Map<string, Place>();
  readonly #members = new Set<SentBits>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get isUnused(): boolean {
    return this.#members.size === 0;
  }

  join(): SentBits {
    const sent = new Uint8Array(Math.ceil(this.#limit / 8));
    this.#members.add(sent);
    return sent;
  }

  leave(sent: SentBits): void {
    this.#members.delete(sent);
  }

  add({ actionId, version }: ProgressState, sent: SentBits): void {
    const known = this.#places.get(actionId);
    if (known !== undefined && version < known.version) return;
    const index = known?.index ?? this.#freePlace();
    if (known?.version !== version) {
      // A state of an older version, or of another action in this place, does not count as sent.
      for (const member of this.#members) clear(member, index);
      this.#places.set(actionId, { index, version });
    }
    set(sent, index);
  }

  versionOf(actionId: string, sent: SentBits): number {
    const place = this.#places.get(actionId);
    return place !== undefined && isSet(sent, place.index) ? place.version : -1;
  }

  /** Returns a free place, or frees the place of the action that was added first. */
  #freePlace(): number {
    if (this.#places.size < this.#limit) return this.#places.size;
    for (const [oldest, { index }] of this.#places) {
      this.#places.delete(oldest);
      return index;
    }
    return 0;
  }
}

function set(bits: SentBits, index: number): void {
  bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
}

function clear(bits: SentBits, index: number): void {
  bits[index >> 3] = (bits[index >> 3] ?? 0) & ~(1 << (index & 7));
}

function isSet(bits: SentBits, index: number): boolean {
  return ((bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
}
