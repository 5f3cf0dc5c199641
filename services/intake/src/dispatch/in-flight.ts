import { LANES, type Lane } from '@bulk/domain';
import type { ShareInFlight } from './shares-in-flight.ts';
import { ROUNDING } from './batch-weight.ts';
import { Newcomers } from './newcomers.ts';
import { StaleBatches, type Allowance } from './stale-batches.ts';
import { shareOf, type Contender } from './turns.ts';

/** Limits of the batches in flight, in full batches. */
export interface InFlightLimits {
  /** Limit of one account in one lane. */
  readonly account: number;
  /** The current limit of all accounts in a lane. */
  readonly laneAt: (lane: Lane, newcomersLikely: boolean) => number;
  /** Time without an outcome after which a batch is stale, in ms. */
  readonly staleMs: number;
}

/** A contender and how much each of its batches counts: see `batchWeight`. */
export interface Publisher extends Contender {
  readonly batchWeight: number;
}

/** The state of a lane as of the last look. */
interface LaneState extends Allowance {
  readonly limit: number;
  /** Number of accounts that use the lane or want to use it. */
  readonly accounts: number;
}

/** What is in flight, in full batches: all of it, and the stale part. */
interface Used {
  batches: number;
  stale: number;
}

const NOTHING: Readonly<Used> = { batches: 0, stale: 0 };

/**
 * How long an account without batches in flight waits for room before it may exceed the limit of
 * its lane, in ms.
 */
const PATIENCE_MS = 1_000;

/** Full batches of a lane's limit that its accounts leave to newcomers. */
const NEWCOMERS = 2;

/**
 * Decides how much may be published into the lanes.
 *
 * A newcomer has to wait for what is in a lane's partitions. So the amount in flight is kept small,
 * and each account gets an equal part of it, with two batches left over for newcomers. The last of
 * them is only for an account without batches in flight. An account without batches in flight in a
 * lane may publish one batch whatever the others have there.
 * It may do so at once if it is new, otherwise after it has waited for a second, so that many
 * accounts keep to the limit while there is room in turn. The limit and the number of accounts
 * bound what is in flight.
 *
 * All amounts are in full batches. The small batches of a small action count as parts of one, so that
 * an action of up to one full batch is published at once, if the lane has few partitions.
 *
 * The amount in flight comes from the actions' documents, as of the last look, and from what was
 * published here since. Several instances may each use the same room between two looks. Then the
 * amount exceeds the limit by a window for each of them.
 */
export class InFlight {
  readonly #limits: InFlightLimits;
  readonly #staleBatches: StaleBatches;
  readonly #lanes = new Map<Lane, LaneState>();
  readonly #inLane = new Map<Lane, Used>();
  readonly #shares = new Map<string, Used>();
  /** Share → number of its actions that are dispatched here. */
  readonly #actions = new Map<string, number>();
  /** Share → monotonic time of the look before the last publication of the share here, in ms. */
  readonly #publishedAt = new Map<string, number>();
  readonly #newcomers = new Newcomers();
  #now = Number.NEGATIVE_INFINITY;

  constructor(limits: InFlightLimits) {
    this.#limits = limits;
    this.#staleBatches = new StaleBatches(limits.staleMs);
  }

  /**
   * Records what is in flight and which actions are dispatched here.
   *
   * @param now monotonic time, in ms.
   */
  note(shares: readonly ShareInFlight[], here: readonly Contender[], now: number): void {
    this.#inLane.clear();
    this.#shares.clear();
    this.#actions.clear();
    for (const share of shares) this.#add(share, share.batches, share.stale);
    for (const one of here) {
      this.#actions.set(shareOf(one), (this.#actions.get(shareOf(one)) ?? 0) + 1);
    }
    this.#newcomers.note([...shares, ...here].map(shareOf), now);
    for (const lane of LANES) this.#lanes.set(lane, this.#stateOf(lane, shares, here, now));
    this.#now = now;
    for (const share of this.#publishedAt.keys()) {
      if (!this.#shares.has(share) && !this.#actions.has(share)) this.#publishedAt.delete(share);
    }
  }

  /**
   * Whether actions that start during others are likely, as of the last look. They have to wait for what is in flight
   * in any lane, because all lanes share the handlers.
   */
  get newcomersLikely(): boolean {
    return this.#newcomers.areLikelyAt(this.#now);
  }

  /** Adds an action that is dispatched here since the last look. */
  arrived(one: Contender): void {
    const share = shareOf(one);
    this.#newcomers.arrived(share, this.#now);
    const state = this.#lanes.get(one.lane);
    if (state !== undefined && !this.#actions.has(share) && !this.#shares.has(share)) {
      this.#lanes.set(one.lane, { ...state, accounts: state.accounts + 1 });
    }
    this.#actions.set(share, (this.#actions.get(share) ?? 0) + 1);
  }

  /** Removes an action that is no longer dispatched here. Its batches stay in flight. */
  left(one: Contender): void {
    const share = shareOf(one);
    this.#actions.set(share, Math.max(0, (this.#actions.get(share) ?? 0) - 1));
  }

  /** Adds a number of batches of a contender to what is in flight. */
  published(publisher: Pick<Publisher, 'lane' | 'accountId' | 'batchWeight'>, batches: number): void {
    this.#add(publisher, batches * publisher.batchWeight, 0);
    if (batches > 0) this.#publishedAt.set(shareOf(publisher), this.#now);
  }

  /**
   * Returns the number of batches that this contender may publish at its turn; 0 if it has no room
   * at present.
   */
  roomFor(contender: Publisher): number {
    const state = this.#lanes.get(contender.lane);
    if (state === undefined) return 0;
    const { limit, leftOut, moves, accounts } = state;
    const share = shareOf(contender);
    const parts = Math.floor((limit - NEWCOMERS) / Math.max(1, accounts));
    const part = Math.max(1, Math.min(this.#limits.account, parts));
    const used = this.#shares.get(share) ?? NOTHING;
    const inLane = this.#inLane.get(contender.lane) ?? NOTHING;
    // Among stale batches the last place is for the batch that shows whether the lane moves.
    const most = inLane.stale > 0 ? limit : Math.max(1, limit - 1);
    const left = Math.min(most - counted(inLane, leftOut), part - counted(used, limit));
    const turn = Math.max(1, Math.floor(part / Math.max(1, this.#actions.get(share) ?? 1)));
    const isIdle = used.batches - (moves ? used.stale : 0) < ROUNDING;
    const room = Math.max(isIdle && this.#hasWaited(share) ? 1 : 0, Math.min(left, turn));
    if (room < ROUNDING) return 0;
    // A batch that exceeds the room a little gets its turn all the same. Otherwise the smaller batches of the same
    // account would use up whatever becomes free.
    return Math.max(1, Math.floor(room / contender.batchWeight + ROUNDING));
  }

  #hasWaited(share: string): boolean {
    return this.#now - (this.#publishedAt.get(share) ?? Number.NEGATIVE_INFINITY) >= PATIENCE_MS;
  }

  #stateOf(lane: Lane, shares: readonly ShareInFlight[], here: readonly Contender[], now: number): LaneState {
    const limit = this.#limits.laneAt(lane, this.#newcomers.areLikelyAt(now));
    this.#staleBatches.note(lane, this.#inLane.get(lane)?.batches ?? 0, now);
    const allowance = this.#staleBatches.allowance(lane, limit, now);
    const present = [...here, ...shares.filter((share) => counted(share, allowance.leftOut) > 0)].filter(
      (one) => one.lane === lane,
    );
    return { ...allowance, limit, accounts: new Set(present.map(({ accountId }) => accountId)).size };
  }

  #add(share: Pick<Contender, 'lane' | 'accountId'>, batches: number, stale: number): void {
    for (const [counts, key] of [
      [this.#inLane as Map<string, Used>, share.lane],
      [this.#shares, shareOf(share)],
    ] as const) {
      const before = counts.get(key);
      counts.set(key, {
        batches: (before?.batches ?? 0) + batches,
        stale: (before?.stale ?? 0) + stale,
      });
    }
  }
}

/** Returns how much counts against a limit. */
function counted({ batches, stale }: Readonly<Used>, leftOut: number): number {
  return batches - Math.min(stale, leftOut);
}
