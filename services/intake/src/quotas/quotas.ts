import type { Database } from '@bulk/mongo';
import type { Logger } from '@bulk/runtime';
import { QuotaExceededError } from './quota-exceeded-error.ts';
import {
  NOTHING,
  SMALLEST_ACTION,
  statesOf,
  type Amounts,
  type Quota,
  type QuotaLimits,
  type QuotaState,
  type Usage,
} from './quota.ts';
import { QuotaStore, type Change } from './quota-store.ts';

export interface QuotasOptions {
  readonly database: Database;
  readonly limits: QuotaLimits;
  readonly now: () => Date;
  /** Returns milliseconds since a fixed instant; never decreases. */
  readonly monotonic: () => number;
  /** Called for each request that is refused; never throws. */
  readonly onRefused: (quota: Quota) => void;
  readonly log: Logger;
}

/**
 * How long an account's usage may lag behind the ends of its actions while there is room, in ms.
 */
const RECONCILED_MS = 1_000;
/** Maximum number of accounts whose last reconciliation is remembered. */
const REMEMBERED = 10_000;
/**
 * Rest after a reconciliation for each hold that it looked at beyond `CHEAP_HOLDS`, in ms. A hold costs about a tenth of that,
 * so refused requests of an account with many holds cannot keep an instance busy.
 */
const REST_PER_HOLD_MS = 0.2;
const CHEAP_HOLDS = 100;

/** Bounds the work that an account may have in the platform, over all instances of intake. */
export class Quotas {
  readonly #options: QuotasOptions;
  readonly #store: QuotaStore;
  readonly #reconciledAt = new Map<string, number>();
  /** Reconciliations under way. */
  readonly #reconciling = new Map<string, Promise<void>>();
  /** Until when a reconciliation that is not due would cost too much. */
  readonly #restsUntil = new Map<string, number>();

  constructor(options: QuotasOptions) {
    this.#options = options;
    this.#store = new QuotaStore(options.database, options.limits, options.now);
  }

  /** Creates the claim of a request that is about to become an action. It takes nothing yet. */
  claim(accountId: string, actionId: string): QuotaClaim {
    return new QuotaClaim(accountId, actionId, {
      ...this.#options,
      store: this.#store,
      reconcileIfDue: () => this.#reconcileIfDue(accountId),
      reconcileUnlessResting: () => this.#reconcileUnlessResting(accountId),
    });
  }

  async #reconcileIfDue(accountId: string): Promise<void> {
    const at = this.#options.monotonic();
    const last = this.#reconciledAt.get(accountId);
    if (last !== undefined && at - last < RECONCILED_MS) return;
    if (this.#reconciledAt.size >= REMEMBERED) this.#reconciledAt.clear();
    this.#reconciledAt.set(accountId, at);
    await this.#reconcileUnlessResting(accountId);
  }

  /** One at a time for each account: requests that come at once share it. */
  async #reconcileUnlessResting(accountId: string): Promise<void> {
    const restsUntil = this.#restsUntil.get(accountId);
    if (restsUntil !== undefined && this.#options.monotonic() < restsUntil) return;
    let running = this.#reconciling.get(accountId);
    if (running === undefined) {
      running = this.#reconcile(accountId).finally(() => this.#reconciling.delete(accountId));
      this.#reconciling.set(accountId, running);
    }
    await running;
  }

  async #reconcile(accountId: string): Promise<void> {
    const holds = await this.#store.reconcile(accountId);
    if (this.#restsUntil.size >= REMEMBERED) this.#restsUntil.clear();
    const restMs = Math.max(0, holds - CHEAP_HOLDS) * REST_PER_HOLD_MS;
    this.#restsUntil.set(accountId, this.#options.monotonic() + restMs);
  }
}

interface ClaimOptions extends QuotasOptions {
  readonly store: QuotaStore;
  readonly reconcileIfDue: () => Promise<void>;
  readonly reconcileUnlessResting: () => Promise<void>;
}

/** What one request takes of the quotas of its account. */
export class QuotaClaim {
  readonly #accountId: string;
  readonly #actionId: string;
  readonly #options: ClaimOptions;
  #mine: Amounts = NOTHING;
  #usage: Usage | undefined;

  constructor(accountId: string, actionId: string, options: ClaimOptions) {
    this.#accountId = accountId;
    this.#actionId = actionId;
    this.#options = options;
  }

  /** The quotas of the account after the claim's last change; empty before that. */
  get states(): readonly QuotaState[] {
    return this.#usage === undefined ? [] : statesOf(this.#options.limits, this.#usage);
  }

  /**
   * Takes the place of an action. The action's document must exist already.
   *
   * @throws QuotaExceededError; StoreError.
   */
  async open(): Promise<void> {
    const { store, reconcileIfDue } = this.#options;
    await reconcileIfDue();
    await this.#take(() => store.open(this.#accountId, this.#actionId), SMALLEST_ACTION);
    this.#mine = { ...NOTHING, 'unfinished-actions': 1 };
  }

  /**
   * Takes room for more rows before they are staged.
   *
   * @param bytes size of their entities' JSON.
   * @throws QuotaExceededError if there is no room; StoreError.
   */
  async add(rows: number, bytes: number): Promise<void> {
    if (rows === 0) return;
    const { store } = this.#options;
    const mine = this.#mine;
    const wanted = {
      ...mine,
      'staged-bytes': mine['staged-bytes'] + bytes,
      'rows-per-day': mine['rows-per-day'] + rows,
    };
    await this.#take(() => store.add(this.#accountId, this.#actionId, rows, bytes), wanted);
    this.#mine = wanted;
  }

  /**
   * Gives back what the request no longer needs, once it is decided whether there is an action.
   *
   * Never throws. What is left is given back when a request needs room.
   */
  async settle(accepted: boolean): Promise<void> {
    const { store, log } = this.#options;
    if (accepted && store.holdsUntilEnd) return;
    try {
      await store.settle(this.#accountId, this.#actionId);
    } catch (error) {
      log.debug({ actionId: this.#actionId, err: error }, 'Quota not given back yet');
    }
  }

  /** @param wanted what the request would hold in total. */
  async #take(change: () => Promise<Change>, wanted: Amounts): Promise<void> {
    const { reconcileUnlessResting, limits, onRefused, now } = this.#options;
    let { usage, exceeded } = await change();
    if (exceeded !== undefined) {
      // Actions may have ended since the last look.
      await reconcileUnlessResting();
      ({ usage, exceeded } = await change());
    }
    if (exceeded === undefined) {
      this.#usage = usage;
      return;
    }
    onRefused(exceeded);
    const sameDay = usage.day === this.#usage?.day;
    const states = statesOf(limits, usage, sameDay ? this.#mine : { ...this.#mine, 'rows-per-day': 0 });
    const state = states.find(({ quota }) => quota === exceeded);
    if (state === undefined) throw new TypeError(`${exceeded} is no quota of this installation`);
    throw new QuotaExceededError(state, wanted[exceeded], states, now());
  }
}
