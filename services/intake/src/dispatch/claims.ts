import { LANES, type Lane } from '@bulk/domain';
import type { ActionDocument } from '@bulk/mongo';
import type { DispatchPort } from './dispatch-ports.ts';
import type { Due } from './due-actions.ts';
import { shareOf, type Contender } from './turns.ts';

/** A leased action. */
export interface Claim {
  readonly action: ActionDocument;
  readonly owner: string;
  /** Monotonic time before the lease was requested, in ms. */
  readonly leasedAt: number;
}

/** An action that this instance leases. */
export interface Leased extends Contender {
  /** Monotonic time of the action's claim, in ms. */
  readonly claimedAt: number;
}

export interface ClaimsOptions {
  readonly store: DispatchPort;
  /** Name of this instance. No other instance has ever had the same name. */
  readonly instanceId: string;
  /** Monotonic clock, in ms. */
  readonly monotonic: () => number;
  /**
   * How long each account keeps its only lease, in ms, while there are more accounts than leases.
   */
  readonly holdMs: number;
}

/**
 * Chooses the actions that this instance leases.
 *
 * It goes round robin over lanes, and in a lane over its accounts; of an account it takes the
 * oldest action first. So a million actions of one account do not keep another account's action
 * from being claimed.
 */
export class Claims {
  readonly #options: ClaimsOptions;
  /** Lane → the account of the lane's last claim. The next claim takes the account after it. */
  readonly #after = new Map<Lane, string>();
  #lanes: readonly Lane[] = LANES;
  #claims = 0;

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  /**
   * Leases up to `count` due actions.
   *
   * @returns whether further actions may be due.
   * @throws StoreError; `claimed` has received the actions leased before the error.
   */
  async claim(count: number, claimed: (claim: Claim) => void): Promise<boolean> {
    if (count <= 0) return true;
    const due = new DueByLane(await this.#options.store.findDue());
    for (let n = 0; n < count;) {
      const lane = this.#lanes.find((one) => due.mayHave(one));
      if (lane === undefined) return false;
      const claim = await this.#claimIn(lane, due.accountsOf(lane), []);
      if (claim === undefined) due.exhausted(lane);
      else {
        due.claimed(lane);
        claimed(claim);
        n += 1;
      }
    }
    return LANES.some((one) => due.mayHave(one));
  }

  /** Returns a name for the lease of one more claim. No other claim has ever had it. */
  newOwner(): string {
    return `${this.#options.instanceId}/${(this.#claims += 1)}`;
  }

  /**
   * Leases one action of an account that has no lease in its lane, when every place is taken.
   *
   * @param mayLeave whether a lease may be given up at present.
   * @returns the claim, and the lease that leaves: the youngest of the account with the most
   * leases, or, if no account has more than one, the lease held longest. `undefined` if no account
   * waits or it is too early for a change.
   * @throws StoreError.
   */
  async share<T extends Leased>(
    leases: readonly T[],
    mayLeave: (lease: T) => boolean = () => true,
  ): Promise<{ claim: Claim; leaving: T } | undefined> {
    const leaving = leavingOf(leases, this.#options.monotonic() - this.#options.holdMs, mayLeave);
    if (leaving === undefined) return undefined;
    const due = new DueByLane(await this.#options.store.findDue());
    for (const lane of this.#lanes.filter((one) => due.mayHave(one))) {
      const here = new Set(leases.filter((one) => one.lane === lane).map(({ accountId }) => accountId));
      const others = due.accountsOf(lane)?.filter((accountId) => !here.has(accountId));
      if (others?.length === 0) continue;
      const claim = await this.#claimIn(lane, others, [...here]);
      if (claim !== undefined) return { claim, leaving };
    }
    return undefined;
  }

  /** @param accounts those that have something due in the lane; `undefined` if some are unknown. */
  async #claimIn(
    lane: Lane,
    accounts: readonly string[] | undefined,
    except: readonly string[],
  ): Promise<Claim | undefined> {
    const { store, monotonic } = this.#options;
    const after = this.#after.get(lane);
    const isBehind = after !== undefined && accounts?.some((accountId) => accountId > after) !== false;
    for (const scope of isBehind ? [{ after }, {}] : [{}]) {
      const owner = this.newOwner();
      const leasedAt = monotonic();
      const action = await store.claim(owner, { lane, except, ...scope });
      if (action === undefined) continue;
      this.#after.set(lane, action.accountId);
      this.#lanes = [...this.#lanes.filter((one) => one !== lane), lane];
      return { action, owner, leasedAt };
    }
    return undefined;
  }
}

/** The due actions of one look, by lane. */
class DueByLane {
  readonly #complete: boolean;
  /** Lane → the accounts of the actions that are due in the lane, one entry for each action. */
  readonly #accounts = new Map<Lane, string[]>();
  readonly #left = new Map<Lane, number>();

  constructor({ actions, complete }: Due) {
    this.#complete = complete;
    for (const { lane, accountId } of actions) {
      this.#accounts.set(lane, [...(this.#accounts.get(lane) ?? []), accountId]);
    }
    for (const lane of LANES) {
      this.#left.set(lane, complete ? (this.#accounts.get(lane)?.length ?? 0) : Number.POSITIVE_INFINITY);
    }
  }

  mayHave(lane: Lane): boolean {
    return (this.#left.get(lane) ?? 0) > 0;
  }

  claimed(lane: Lane): void {
    this.#left.set(lane, (this.#left.get(lane) ?? 0) - 1);
  }

  exhausted(lane: Lane): void {
    this.#left.set(lane, 0);
  }

  /** Returns the accounts with due actions in a lane; `undefined` if some are unknown. */
  accountsOf(lane: Lane): readonly string[] | undefined {
    return this.#complete ? (this.#accounts.get(lane) ?? []) : undefined;
  }
}

/**
 * Chooses the lease that makes place for another account.
 *
 * @param before monotonic time, in ms. If each account has one lease, only a lease claimed before
 * this time leaves.
 */
export function leavingOf<T extends Leased>(
  leases: readonly T[],
  before: number,
  mayLeave: (lease: T) => boolean = () => true,
): T | undefined {
  const shares = new Map<string, T[]>();
  for (const one of leases) shares.set(shareOf(one), [...(shares.get(shareOf(one)) ?? []), one]);
  const most = [...shares.values()].reduce<T[]>((a, b) => (b.length > a.length ? b : a), []);
  const leaving = most.filter(mayLeave);
  if (most.length > 1) {
    return leaving.reduce<T | undefined>(
      (a, b) => (a === undefined || b.actionId > a.actionId ? b : a),
      undefined,
    );
  }
  const oldest = leases
    .filter(mayLeave)
    .reduce<T | undefined>((a, b) => (a === undefined || b.claimedAt < a.claimedAt ? b : a), undefined);
  return oldest !== undefined && oldest.claimedAt <= before ? oldest : undefined;
}
