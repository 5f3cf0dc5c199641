import { isRetryable, LANES, type Lane } from '@bulk/domain';
import { KAFKA_PRODUCER, ProduceError } from '@bulk/kafka';
import { MONGODB, type ActionDocument } from '@bulk/mongo';
import { delay, type Health, type Logger } from '@bulk/runtime';
import { ActionDispatch, type ActionDispatchOptions } from './action-dispatch.ts';
import { Claims, type Claim } from './claims.ts';
import { InFlight } from './in-flight.ts';
import { LaneWindow, type LaneWindowOptions } from './lane-window.ts';
import { SkippedActions } from './skipped-actions.ts';
import { Turns } from './turns.ts';

export interface DispatcherOptions extends ActionDispatchOptions {
  /** Name of this instance, different from that of any other that ever ran. */
  readonly instanceId: string;
  /** Actions side by side, at most. */
  readonly concurrency: number;
  /** Batches of an account's actions in a lane that are published and not counted yet, at most. */
  readonly maxInFlightOfAccount: number;
  /** How many of a lane. */
  readonly laneWindow: LaneWindowOptions;
  /** What is in flight and has not moved for so long does not count against the limits, in ms. */
  readonly staleMs: number;
  /** After a fault an action rests for this long, in ms, before any instance tries it again. */
  readonly retryDelayMs: number;
  /** How often it is looked how much of the leased actions is still in flight, in ms. */
  readonly pollMs: number;
  /** Called when batches of a cancelled action are skipped and counted; never throws. */
  readonly onSkipped?: (lane: Lane, batches: number) => void;
  /** Called when an action ends since what was left of it is skipped; never throws. */
  readonly onEnded?: (action: ActionDocument) => void;
  /** Called when a dispatch is interrupted by a fault; never throws. */
  readonly onFailed?: () => void;
  readonly health: Health;
  readonly log: Logger;
}

/** Without a wake it is looked so often for actions to lease, in ms: between the windows of others that would be too much. */
const CLAIM_EVERY_MS = 200;

/** Part of a lease for which an account keeps it where there are more accounts than leases. */
const HOLD_PART = 0.1;

/**
 * Publishes the batches of accepted actions that are due, window by window: in turn over lanes, accounts and actions, and
 * no more than the limits let be in flight, so that a small action does not wait behind a big one.
 *
 * Idle → (wake) running → idle when nothing is due. Stopping: the window under way is finished, leases are handed back.
 * A fault ends an action's turn: it rests for a while, so that one that fails does not hold the others up, and a wake
 * after that takes it up again.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #claims: Claims;
  readonly #inFlight: InFlight;
  readonly #turns = new Turns();
  readonly #skipped: SkippedActions;
  readonly #windows: ReadonlyMap<Lane, LaneWindow>;
  #active: ActionDispatch[] = [];
  #running: Promise<void> | undefined;
  #awake = false;
  #stopping = false;
  /** Aborted to end a wait for room. */
  #rest = new AbortController();
  /** Monotonic time of the last look for actions to lease. */
  #claimedAt = Number.NEGATIVE_INFINITY;
  /** Monotonic time of the last send that Kafka did not confirm. */
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#claims = new Claims({ ...options, holdMs: options.leaseMs * HOLD_PART });
    this.#skipped = new SkippedActions({ ...options, store: options.store.skips });
    const { laneWindow, maxInFlightOfAccount, monotonic } = options;
    this.#windows = new Map(LANES.map((lane) => [lane, new LaneWindow(laneWindow)]));
    this.#inFlight = new InFlight({
      account: maxInFlightOfAccount,
      laneAt: (lane) => this.#windows.get(lane)?.sizeAt(monotonic()) ?? laneWindow.min,
    });
  }

  /** What this instance dispatches now: actions, and their batches that are published and not counted. */
  get inFlight(): { actions: number; batches: number } {
    const batches = this.#active.reduce((sum, { inFlight }) => sum + inFlight, 0);
    return { actions: this.#active.length, batches };
  }

  /** Something may be due. Returns at once. */
  wake(): void {
    this.#awake = true;
    this.#rest.abort();
    if (this.#stopping) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#awake) this.wake();
    });
  }

  /** Finishes the window under way and hands every lease back. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#rest.abort();
    await this.#running;
    await this.#skipped.stop();
    await Promise.all(this.#active.map((dispatch) => this.#release(dispatch)));
    this.#active = [];
  }

  async #run(): Promise<void> {
    while (this.#mayGoOn()) {
      if (this.#isTimeToClaim) await this.#claimDue();
      if (this.#active.length === 0) {
        this.#forgetOldFault();
        return;
      }
      const idle = await this.#lookAndPublish();
      if (idle) await this.#waitForRoom();
    }
  }

  /** One turn for as many as are leased. @returns whether nothing more can be published at present. */
  async #lookAndPublish(): Promise<boolean> {
    if (!(await this.#look())) return true;
    this.#skipCancelled();
    for (let turns = this.#active.length; turns > 0; turns -= 1) {
      if (!this.#mayGoOn()) return false;
      const next = this.#turns.take(this.#contenders());
      if (next === undefined) return true;
      const before = next.nextBatch;
      await this.#step(next, this.#inFlight.roomFor(next));
      this.#inFlight.published(next, next.nextBatch - before);
      // Whoever has come meanwhile may be next; one turn at least, so that newcomers do not keep everyone waiting.
      if (this.#awake) return false;
    }
    return this.#contenders().length === 0;
  }

  /** Hands those over of which nothing more is to be published. */
  #skipCancelled(): void {
    for (const dispatch of this.#active.filter(({ isToSkip }) => isToSkip)) {
      if (!this.#skipped.hasPlace) return;
      this.#active = this.#active.filter((other) => other !== dispatch);
      this.#skipped.take(dispatch);
    }
  }

  #contenders(): ActionDispatch[] {
    return this.#active.filter((dispatch) => dispatch.hasRoom && this.#inFlight.roomFor(dispatch) > 0);
  }

  /** Ends early when something new may be due, or on a stop. */
  async #waitForRoom(): Promise<void> {
    this.#rest = new AbortController();
    if (!this.#awake && this.#mayGoOn()) await delay(this.#options.pollMs, this.#rest.signal);
  }

  /** How the leased actions stand, which are paused or another's, and how much is in flight. @returns whether that is known. */
  async #look(): Promise<boolean> {
    const { store, staleMs, health, log } = this.#options;
    try {
      const states = await store.look(this.#active.map(({ actionId }) => actionId));
      for (const dispatch of this.#active) {
        const state = states.get(dispatch.actionId);
        if (state !== undefined && dispatch.note(state) && (await dispatch.keep())) continue;
        await this.#end(dispatch);
      }
      this.#observeTimes();
      this.#inFlight.note(await store.inFlight(staleMs), this.#active);
      this.#turns.forget(this.#active);
      health.set(MONGODB, 'ready');
      return true;
    } catch (error) {
      health.set(MONGODB, 'waiting', reasonOf(error));
      log[isRetryable(error) ? 'debug' : 'warn']({ err: error }, 'cannot look how much is in flight now');
      return false;
    }
  }

  #observeTimes(): void {
    for (const [lane, window] of this.#windows) {
      const here = this.#active.filter((dispatch) => dispatch.lane === lane);
      const held = here.some((dispatch) => dispatch.hasRoom && this.#inFlight.roomFor(dispatch) === 0);
      window.observe(
        here.flatMap((dispatch) => dispatch.takeTimes()),
        held,
        this.#options.monotonic(),
      );
    }
  }

  /** A dispatch that is not to go on here. */
  async #end(dispatch: ActionDispatch): Promise<void> {
    this.#options.log.info(
      { actionId: dispatch.actionId },
      'a dispatch stops here: the action is paused or has ended, or another instance has it',
    );
    await this.#release(dispatch);
    this.#active = this.#active.filter((other) => other !== dispatch);
  }

  /** What failed was handed to another instance or cancelled: no send of ours will tell that Kafka is back. */
  #forgetOldFault(): void {
    const { monotonic, retryDelayMs, health } = this.#options;
    if (monotonic() - this.#failedAt > 2 * retryDelayMs) health.set(KAFKA_PRODUCER, 'ready');
  }

  #mayGoOn(): boolean {
    return !this.#stopping;
  }

  get #isTimeToClaim(): boolean {
    return (
      this.#awake ||
      this.#active.length === 0 ||
      this.#options.monotonic() - this.#claimedAt >= CLAIM_EVERY_MS
    );
  }

  async #claimDue(): Promise<void> {
    const { concurrency, monotonic, health, log } = this.#options;
    this.#awake = false;
    this.#claimedAt = monotonic();
    try {
      await this.#claims.claim(concurrency - this.#active.length, (claim) => this.#begin(claim));
      if (this.#active.length >= concurrency) await this.#shareLeases();
      health.set(MONGODB, 'ready');
    } catch (error) {
      health.set(MONGODB, 'waiting', reasonOf(error));
      log[isRetryable(error) ? 'debug' : 'warn']({ err: error }, 'cannot look for actions to dispatch now');
    }
  }

  /** An account that has no lease gets the place of another action. */
  async #shareLeases(): Promise<void> {
    const shared = await this.#claims.share(this.#active);
    if (shared === undefined) return;
    this.#begin(shared.claim);
    await this.#release(shared.leaving);
    this.#active = this.#active.filter((other) => other !== shared.leaving);
  }

  #begin({ action, owner, leasedAt }: Claim): void {
    this.#active.push(new ActionDispatch(action, owner, leasedAt, this.#options));
  }

  async #step(dispatch: ActionDispatch, atMost: number): Promise<void> {
    const { log, health } = this.#options;
    const { actionId } = dispatch;
    try {
      const result = await dispatch.step(atMost);
      health.set(KAFKA_PRODUCER, 'ready');
      if (result === 'more' || result === 'full') return;
      if (result === 'stopped') {
        await this.#end(dispatch);
        return;
      }
      log.info({ actionId }, 'dispatched');
    } catch (error) {
      await this.#postpone(dispatch, error);
    }
    this.#active = this.#active.filter((other) => other !== dispatch);
  }

  async #postpone(dispatch: ActionDispatch, error: unknown): Promise<void> {
    const { log, health, monotonic, retryDelayMs } = this.#options;
    const { actionId } = dispatch;
    this.#options.onFailed?.();
    if (error instanceof ProduceError) {
      this.#failedAt = monotonic();
      health.set(KAFKA_PRODUCER, 'waiting', error.message);
    }
    if (isRetryable(error))
      log.warn({ actionId, err: error }, 'a dispatch is interrupted and taken up again');
    else log.error({ actionId, err: error }, 'a dispatch fails');
    try {
      await dispatch.postpone(retryDelayMs);
    } catch (failure) {
      // The lease runs out by itself.
      log.debug({ actionId, err: failure }, 'could not hand back a lease');
    }
  }

  async #release(dispatch: ActionDispatch): Promise<void> {
    try {
      await dispatch.release();
    } catch (error) {
      // The lease runs out by itself.
      this.#options.log.debug({ actionId: dispatch.actionId, err: error }, 'could not hand back a lease');
    }
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
