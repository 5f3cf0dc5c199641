import { isRetryable, LANES, messageOf, type Lane } from '@bulk/domain';
import { KAFKA_PRODUCER, ProduceError } from '@bulk/kafka';
import { MONGODB, type ActionDocument } from '@bulk/mongo';
import { delay, UNTIL_WOKEN, WorkerLoop, type Health, type Logger } from '@bulk/runtime';
import { Adoption } from './adoption.ts';
import { ActionDispatch, type ActionDispatchOptions } from './action-dispatch.ts';
import { Claims, type Claim } from './claims.ts';
import { InFlight } from './in-flight.ts';
import type { LaneWindowOptions } from './lane-window.ts';
import { LaneWindows } from './lane-windows.ts';
import { SkippedActions } from './skipped-actions.ts';
import { Steps, type Step } from './steps.ts';
import { Turns } from './turns.ts';

export interface DispatcherOptions extends ActionDispatchOptions {
  /** Name of this instance, different from that of any other that ever ran. */
  readonly instanceId: string;
  /** Actions side by side, at most. */
  readonly concurrency: number;
  /** Windows of a lane that are published at the same time, at most. */
  readonly parallelWindows: number;
  /** Batches of an account's actions in a lane that are published and not counted yet, at most. */
  readonly maxInFlightOfAccount: number;
  /** How many of a lane. */
  readonly laneWindow: LaneWindowOptions;
  /** What is in flight and has not moved for so long is stale, in ms: see `StaleBatches`. */
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

/** A stop waits for the window under way for this long, in ms, unless it is told otherwise. */
const STOP_PATIENCE_MS = 10_000;

/** Part of a lease for which an account keeps it where there are more accounts than leases. */
const HOLD_PART = 0.1;

/**
 * Publishes the batches of accepted actions that are due, window by window: in turn over lanes, accounts and actions, and
 * no more than the limits let be in flight, so that a small action does not wait behind a big one. Windows of different
 * lanes and accounts are published side by side, so that one which hangs stops no other.
 *
 * Idle → (wake) running → idle when nothing is due. Stopping: the windows under way are finished, leases are handed back.
 * A fault ends an action's turn: it rests for a while, so that one that fails does not hold the others up, and a wake
 * after that takes it up again.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #claims: Claims;
  readonly #inFlight: InFlight;
  readonly #turns = new Turns();
  readonly #skipped: SkippedActions;
  readonly #windows: LaneWindows;
  readonly #steps: Steps<ActionDispatch>;
  readonly #adoption: Adoption;
  readonly #loop: WorkerLoop;
  #active: ActionDispatch[] = [];
  /** Whether something may be due that no look for actions to lease has seen. */
  #awake = false;
  /** Monotonic time of the last look at what is in flight, and whether it was answered. */
  #lookedAt = Number.NEGATIVE_INFINITY;
  #known = false;
  /** Monotonic time of the last look for actions to lease. */
  #claimedAt = Number.NEGATIVE_INFINITY;
  /** Monotonic time of the last send that Kafka did not confirm. */
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#loop = new WorkerLoop({ round: () => this.#round() });
    this.#claims = new Claims({ ...options, holdMs: options.leaseMs * HOLD_PART });
    this.#skipped = new SkippedActions({ ...options, store: options.store.skips });
    const { laneWindow, maxInFlightOfAccount, staleMs, instanceId, monotonic } = options;
    this.#windows = new LaneWindows(laneWindow, instanceId);
    this.#steps = new Steps(options.parallelWindows);
    this.#adoption = new Adoption(options);
    this.#inFlight = new InFlight({
      account: maxInFlightOfAccount,
      laneAt: (lane) => this.#windows.sizeAt(lane, monotonic()),
      staleMs,
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
    this.#loop.start();
    this.#loop.wake();
  }

  /**
   * Finishes the windows under way and hands every lease back.
   *
   * @param patienceMs the leases are handed back after this time even if a window is not finished: Kafka may be
   * unavailable. The new owner publishes that window again, and handler drops the second copies.
   */
  async stop(patienceMs = STOP_PATIENCE_MS): Promise<void> {
    const waited = new AbortController();
    const stepsEnded = this.#loop.stop().then(() => this.#steps.ended());
    const ended = Promise.all([stepsEnded, this.#skipped.stop()]);
    await Promise.race([ended, delay(patienceMs, waited.signal)]);
    waited.abort();
    await Promise.all(this.#active.map((dispatch) => this.#release(dispatch)));
    this.#active = [];
  }

  /** @returns time until the next look is due, in ms: none while nothing is leased here. */
  async #round(): Promise<number> {
    if (this.#isTimeToClaim) await this.#claimDue();
    if (this.#active.length === 0) {
      this.#forgetOldFault();
      return UNTIL_WOKEN;
    }
    if (this.#isTimeToLook) this.#known = await this.#look();
    if (this.#known) {
      this.#skipCancelled();
      this.#startSteps();
    }
    return this.#lookedAt + this.#lookEveryMs - this.#options.monotonic();
  }

  /** Starts a step for each whose turn it is, for as long as there are room and places. */
  #startSteps(): void {
    while (!this.#loop.stopping) {
      const next = this.#turns.take(this.#contenders());
      if (next === undefined) return;
      const batches = next.nextWindow(this.#inFlight.roomFor(next));
      this.#inFlight.published(next, batches);
      const step = { of: next, batches };
      this.#steps.start(step, () => this.#step(step));
    }
  }

  /** Hands those over of which nothing more is to be published. */
  #skipCancelled(): void {
    for (const dispatch of this.#resting.filter(({ isToSkip }) => isToSkip)) {
      if (!this.#skipped.hasPlace) return;
      this.#active = this.#active.filter((other) => other !== dispatch);
      this.#skipped.take(dispatch);
    }
  }

  #contenders(): ActionDispatch[] {
    return this.#active.filter(
      (dispatch) =>
        dispatch.hasRoom &&
        this.#inFlight.roomFor(dispatch) > 0 &&
        this.#steps.mayStart(dispatch, this.#active),
    );
  }

  /** How the leased actions stand, which are paused or another's, and how much is in flight. @returns whether that is known. */
  async #look(): Promise<boolean> {
    const { store, staleMs, health, log, monotonic } = this.#options;
    this.#lookedAt = monotonic();
    // A step under way takes note of its action by itself.
    const resting = this.#resting;
    const steps = this.#steps.running;
    try {
      await this.#windows.exchange(store.windows, monotonic());
      const [states, shares] = await Promise.all([
        store.look(resting.map(({ actionId }) => actionId)),
        store.inFlight(staleMs),
      ]);
      for (const dispatch of resting) {
        const state = states.get(dispatch.actionId);
        if (state !== undefined && dispatch.note(state) && (await dispatch.keep())) continue;
        await this.#end(dispatch);
      }
      // Nobody else is to take up what is under way; a step finds out by itself whether the lease is lost.
      for (const { of } of steps) await of.keep();
      this.#observeTimes();
      this.#inFlight.note(shares, this.#active, monotonic());
      // What they publish may not have been there when it was read.
      for (const { of, batches } of steps) this.#inFlight.published(of, batches);
      this.#turns.forget(this.#active);
      health.set(MONGODB, 'ready');
      return true;
    } catch (error) {
      health.set(MONGODB, 'waiting', messageOf(error));
      log[isRetryable(error) ? 'debug' : 'warn']({ err: error }, 'cannot look how much is in flight now');
      return false;
    }
  }

  #observeTimes(): void {
    const now = this.#options.monotonic();
    for (const lane of LANES) {
      const here = this.#active.filter((dispatch) => dispatch.lane === lane);
      const held = here.some((dispatch) => dispatch.hasRoom && this.#inFlight.roomFor(dispatch) === 0);
      this.#windows.observe(
        lane,
        here.flatMap((dispatch) => dispatch.takeTimes()),
        held,
        now,
      );
    }
  }

  get #resting(): ActionDispatch[] {
    return this.#active.filter((dispatch) => !this.#steps.has(dispatch));
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

  get #isTimeToLook(): boolean {
    return this.#options.monotonic() - this.#lookedAt >= this.#lookEveryMs;
  }

  /** While all that is leased here is under way, a look only keeps the leases. */
  get #lookEveryMs(): number {
    const { pollMs } = this.#options;
    return this.#resting.length === 0 ? Math.max(pollMs, CLAIM_EVERY_MS) : pollMs;
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
      await this.#adoption.adoptIfDue();
      await this.#claims.claim(concurrency - this.#active.length, (claim) => this.#begin(claim));
      if (this.#active.length >= concurrency) await this.#shareLeases();
      health.set(MONGODB, 'ready');
    } catch (error) {
      health.set(MONGODB, 'waiting', messageOf(error));
      log[isRetryable(error) ? 'debug' : 'warn']({ err: error }, 'cannot look for actions to dispatch now');
    }
  }

  /** An account that has no lease gets the place of another action. */
  async #shareLeases(): Promise<void> {
    const shared = await this.#claims.share(this.#active, (dispatch) => !this.#steps.has(dispatch));
    if (shared === undefined) return;
    this.#begin(shared.claim);
    await this.#release(shared.leaving);
    this.#active = this.#active.filter((other) => other !== shared.leaving);
  }

  #begin({ action, owner, leasedAt }: Claim): void {
    const here = this.#active.find(({ actionId }) => actionId === action._id);
    if (here === undefined) this.#active.push(new ActionDispatch(action, owner, leasedAt, this.#options));
    else here.takeLease(owner, leasedAt, action.dispatch);
    // What its account may publish depends on all that are here.
    this.#lookedAt = Number.NEGATIVE_INFINITY;
  }

  async #step(step: Step<ActionDispatch>): Promise<void> {
    const { of: dispatch, batches: reserved } = step;
    const before = dispatch.nextBatch;
    if (await this.#publish(dispatch, reserved)) {
      this.#active = this.#active.filter((other) => other !== dispatch);
    }
    step.batches = dispatch.nextBatch - before;
    this.#inFlight.published(dispatch, step.batches - reserved);
    this.#loop.wake();
  }

  /** @returns whether it is not dispatched here any more. */
  async #publish(dispatch: ActionDispatch, atMost: number): Promise<boolean> {
    const { log, health } = this.#options;
    const { actionId } = dispatch;
    try {
      const result = await dispatch.step(atMost);
      health.set(KAFKA_PRODUCER, 'ready');
      if (result === 'more' || result === 'full') return false;
      if (result === 'stopped') await this.#end(dispatch);
      else log.info({ actionId }, 'dispatched');
    } catch (error) {
      await this.#postpone(dispatch, error);
    }
    return true;
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
