import { LANES, type Lane } from '@bulk/domain';
import { shareOf, type Contender } from './turns.ts';

/** What may be published and not counted yet, at most, in batches. */
export interface InFlightLimits {
  /** Of one account in one lane. */
  readonly account: number;
  /** Of all accounts in this lane, at present. */
  readonly laneAt: (lane: Lane) => number;
}

/** How much of an account's batches is in flight in a lane. */
export interface ShareInFlight {
  readonly lane: Lane;
  readonly accountId: string;
  readonly batches: number;
}

/**
 * How much may be published into the lanes. What waits in a lane's partitions is what a newcomer has to wait for: so it
 * is kept small, and of it each account gets an equal part, with one part left over for whoever comes next.
 *
 * What is in flight is known from the actions' documents, as of the last look, and from what was published here since.
 * Several instances may each use the same room between two looks: then it is more, by a window of each.
 */
export class InFlight {
  readonly #limits: InFlightLimits;
  readonly #lanes = new Map<Lane, number>();
  readonly #shares = new Map<string, number>();
  /** Accounts that use a lane or want to. */
  readonly #accounts = new Map<Lane, number>();
  /** Actions of an account that are dispatched here. */
  readonly #actions = new Map<string, number>();
  /** As of the last look. */
  readonly #limitOf = new Map<Lane, number>();

  constructor(limits: InFlightLimits) {
    this.#limits = limits;
  }

  /** Takes note of what is in flight, and of who is dispatched here. */
  note(shares: readonly ShareInFlight[], here: readonly Contender[]): void {
    this.#lanes.clear();
    this.#shares.clear();
    this.#actions.clear();
    for (const share of shares) this.published(share, share.batches);
    for (const one of here) add(this.#actions, shareOf(one), 1);
    for (const lane of LANES) {
      const accounts = [...shares, ...here].filter((one) => one.lane === lane);
      this.#limitOf.set(lane, this.#limits.laneAt(lane));
      this.#accounts.set(lane, new Set(accounts.map(({ accountId }) => accountId)).size);
    }
  }

  /** So much more is in flight. */
  published(share: Pick<Contender, 'lane' | 'accountId'>, batches: number): void {
    add(this.#lanes, share.lane, batches);
    add(this.#shares, shareOf(share), batches);
  }

  /** Batches that may be published for this one at its turn; 0: none at present. */
  roomFor(contender: Contender): number {
    const { lane } = contender;
    const share = shareOf(contender);
    const parts = (this.#accounts.get(lane) ?? 0) + 1;
    const limit = this.#limitOf.get(lane) ?? 0;
    const part = Math.max(1, Math.min(this.#limits.account, Math.floor(limit / parts)));
    const left = Math.min(limit - (this.#lanes.get(lane) ?? 0), part - (this.#shares.get(share) ?? 0));
    const turn = Math.max(1, Math.floor(part / Math.max(1, this.#actions.get(share) ?? 1)));
    return Math.max(0, Math.min(left, turn));
  }
}

function add<K>(counts: Map<K, number>, key: K, n: number): void {
  counts.set(key, (counts.get(key) ?? 0) + n);
}
