import { LANES, type Lane } from '@bulk/domain';
import type { ActionDocument } from '@bulk/mongo';
import type { DispatchStore } from './dispatch-store.ts';
import { shareOf, type Contender } from './turns.ts';

/** A leased action. */
export interface Claim {
  readonly action: ActionDocument;
  readonly owner: string;
  /** Monotonic time, taken before the lease was asked for, in ms. */
  readonly leasedAt: number;
}

/** What is leased here. */
export interface Lease extends Contender {
  /** Monotonic time of its claim, in ms. */
  readonly claimedAt: number;
}

export interface ClaimsOptions {
  readonly store: DispatchStore;
  /** Name of this instance, different from that of any other that ever ran. */
  readonly instanceId: string;
  /** Monotonic clock, in ms. */
  readonly monotonic: () => number;
  /** Where every account has one lease at most and there are more of them, each keeps its own for so long, in ms. */
  readonly holdMs: number;
}

/**
 * Which actions this instance leases: round robin over lanes, in a lane over its accounts, of an account the oldest first.
 * So a million actions of one account do not keep another's from being claimed.
 */
export class Claims {
  readonly #options: ClaimsOptions;
  /** Lane → the account of its last claim: the next one is behind it. */
  readonly #after = new Map<Lane, string>();
  #lanes: readonly Lane[] = LANES;
  #claims = 0;

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  /** Leases up to `count` actions that are due. @throws StoreError; what was leased before is given to `claimed`. */
  async claim(count: number, claimed: (claim: Claim) => void): Promise<void> {
    if (count <= 0 || !(await this.#options.store.isAnyDue())) return;
    const empty = new Set<Lane>();
    for (let n = 0; n < count && empty.size < LANES.length;) {
      const [lane] = this.#lanes.filter((one) => !empty.has(one));
      if (lane === undefined) return;
      const claim = await this.#claimIn(lane, []);
      if (claim === undefined) empty.add(lane);
      else {
        claimed(claim);
        n += 1;
      }
    }
  }

  /**
   * Where every place is taken: leases one action of an account that has none here, in a lane.
   *
   * @returns the claim, and who is to make place: the youngest of the account with the most leases; where none has more
   * than one, the lease that was held longest. Undefined where nobody waits, or it is too early for a change.
   * @throws StoreError.
   */
  async share<T extends Lease>(leases: readonly T[]): Promise<{ claim: Claim; leaving: T } | undefined> {
    const leaving = leavingOf(leases, this.#options.monotonic() - this.#options.holdMs);
    if (leaving === undefined || !(await this.#options.store.isAnyDue())) return undefined;
    for (const lane of this.#lanes) {
      const accounts = leases.filter((one) => one.lane === lane).map(({ accountId }) => accountId);
      const claim = await this.#claimIn(lane, [...new Set(accounts)]);
      if (claim !== undefined) return { claim, leaving };
    }
    return undefined;
  }

  async #claimIn(lane: Lane, except: readonly string[]): Promise<Claim | undefined> {
    const { store, instanceId, monotonic } = this.#options;
    const after = this.#after.get(lane);
    for (const scope of after === undefined ? [{}] : [{ after }, {}]) {
      const owner = `${instanceId}/${(this.#claims += 1)}`;
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

/** Whose place another account gets. @param before monotonic time: a change of single leases needs one from before. */
export function leavingOf<T extends Lease>(leases: readonly T[], before: number): T | undefined {
  const shares = new Map<string, T[]>();
  for (const one of leases) shares.set(shareOf(one), [...(shares.get(shareOf(one)) ?? []), one]);
  const most = [...shares.values()].reduce<T[]>((a, b) => (b.length > a.length ? b : a), []);
  if (most.length > 1) return most.reduce((a, b) => (b.actionId > a.actionId ? b : a));
  const oldest = leases.reduce<T | undefined>(
    (a, b) => (a === undefined || b.claimedAt < a.claimedAt ? b : a),
    undefined,
  );
  return oldest !== undefined && oldest.claimedAt <= before ? oldest : undefined;
}
