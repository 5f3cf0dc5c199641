import { isRetryable, LANES, messageOf, type Lane } from '@bulk/domain';
import { KAFKA_PRODUCER, ProduceError } from '@bulk/kafka';
import { MONGODB, type ActionDocument } from '@bulk/mongo';
import {
  settledWithin,
  systemScheduler,
  UNTIL_WOKEN,
  WorkerLoop,
  type Health,
  type Logger,
  type Scheduler,
} from '@bulk/runtime';
import { Adoption } from './adoption.ts';
import { ActionDispatch, type ActionDispatchOptions } from './action-dispatch.ts';
import { Claims, type Claim } from './claims.ts';
import type { StagedBatch } from './staged-batch.ts';
import type { DirectDispatch, FirstLease } from './first-lease.ts';
import { InFlight } from './in-flight.ts';
import type { LaneWindowOptions } from './lane-window.ts';
import { LaneWindows } from './lane-windows.ts';
import { LastWindows } from './last-windows.ts';
import { SkippedActions } from './skipped-actions.ts';
import { Steps, type Step } from './steps.ts';
import { Turns } from './turns.ts';

export interface DispatcherOptions extends ActionDispatchOptions {
  /** Name of this instance. No other instance has ever had the same name. */
  readonly instanceId: string;
  /** Maximum number of actions that this instance dispatches at the same time. */
  readonly concurrency: number;
  /** Maximum number of windows of a lane that are published at the same time. */
  readonly parallelWindows: number;
  /** Limit of what is in flight per account and lane, in full batches. */
  readonly maxInFlightOfAccount: number;
  /** Limits of the batches in flight per lane. */
  readonly laneWindow: LaneWindowOptions;
  /** Time without progress after which what is in flight is stale, in ms: see `StaleBatches`. */
  readonly staleMs: number;
  /** How long an action rests after a fault before any instance tries the action again, in ms. */
  readonly retryDelayMs: number;
  /** Minimum time between two reads of how much of the leased actions is in flight, in ms. */
  readonly pollMs: number;
  /** Called when batches of a cancelled or failing action are skipped and counted; never throws. */
  readonly onSkipped?: (lane: Lane, batches: number) => void;
  /** Called when an action ends because the rest of it is skipped; never throws. */
  readonly onEnded?: (action: ActionDocument) => void;
  /** Called when a fault interrupts a dispatch; never throws. */
  readonly onFailed?: () => void;
  /** Timers of the dispatcher. @default systemScheduler */
  readonly scheduler?: Scheduler;
  readonly health: Health;
  readonly log: Logger;
}

/**
 * How often the dispatcher looks for actions to lease without a wake, in ms: while others wait for a
 * place, and otherwise. A look between any two windows would cost too much.
 */
const CLAIM_EVERY_MS = 200;
const CLAIM_IF_NONE_WAITS_EVERY_MS = 1_000;

/**
 * Number of looks in the time that a batch takes. The lane window lets the lane hold a queue of half
 * the latency on an idle lane, so that the handlers do not run dry between two looks.
 */
const LOOKS_PER_LATENCY = 4;
/** Maximum time between two looks, in ms. */
const LOOK_WITHIN_MS = 250;
/** Age up to which a look is of use to a newcomer, in ms. */
const RECENT_MS = 100;

/** Default time that a stop waits for the windows under way, in ms. */
const STOP_PATIENCE_MS = 10_000;

/** Part of a lease for which an account keeps it while there are more accounts than leases. */
const HOLD_PART = 0.1;

/**
 * Publishes the batches of due actions, window by window.
 *
 * Lanes, accounts and actions take turns, and the limits bound what is in flight, so that a small
 * action does not wait behind a big one. Windows of different lanes and accounts are published
 * concurrently, so that one which hangs stops no other.
 *
 * Idle → (wake) running → idle when nothing is due. On a stop the dispatcher finishes the windows
 * under way and hands the leases back. A fault ends an action's turn: the action rests for a while,
 * so that it does not hold up the others, and a later wake resumes it.
 */
export class Dispatcher implements DirectDispatch {
  readonly #options: DispatcherOptions;
  readonly #claims: Claims;
  readonly #inFlight: InFlight;
  readonly #turns = new Turns();
  readonly #skipped: SkippedActions;
  readonly #windows: LaneWindows;
  readonly #steps: Steps<ActionDispatch>;
  readonly #adoption: Adoption;
  readonly #loop: WorkerLoop;
  readonly #lastWindows = new LastWindows();
  #active: ActionDispatch[] = [];
  /** Number of places that `firstLease` has given and that are not in `#active` yet. */
  #promised = 0;
  /** Whether an action may be due that the last look for actions to lease has not seen. */
  #awake = false;
  /** Whether the last look for actions to lease left some behind. */
  #moreDue = false;
  /** Whether an action may be accepted soon. */
  #expecting = false;
  /** Whether a look at what is in flight is under way. No step starts meanwhile. */
  #looking = false;
  /** Monotonic time of the last look at what is in flight, and whether it succeeded. */
  #lookedAt = Number.NEGATIVE_INFINITY;
  #known = false;
  /** Whether the next look must not wait for its time. */
  #lookNow = false;
  /** Monotonic time of the last look for actions to lease. */
  #claimedAt = Number.NEGATIVE_INFINITY;
  /** Monotonic time of the last send that Kafka did not confirm. */
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    const { scheduler = systemScheduler } = options;
    this.#loop = new WorkerLoop({ round: () => this.#round(), scheduler });
    this.#claims = new Claims({ ...options, holdMs: options.leaseMs * HOLD_PART });
    this.#skipped = new SkippedActions({ ...options, store: options.store.skips });
    const { laneWindow, maxInFlightOfAccount, staleMs, instanceId, monotonic } = options;
    this.#windows = new LaneWindows(laneWindow, instanceId);
    this.#steps = new Steps(options.parallelWindows);
    this.#adoption = new Adoption(options);
    this.#inFlight = new InFlight({
      account: maxInFlightOfAccount,
      laneAt: (lane, newcomersLikely) => this.#windows.sizeAt(lane, monotonic(), newcomersLikely),
      staleMs,
    });
  }

  /** What this instance dispatches now: the number of actions, and of their batches in flight. */
  get inFlight(): { actions: number; batches: number } {
    const batches = this.#active.reduce((sum, { inFlight }) => sum + inFlight, 0);
    return { actions: this.#active.length, batches };
  }

  /** Maximum number of batches in flight in each lane now. All instances share the windows. */
  get windowSizes(): [Lane, number][] {
    return this.#windows.sizesAt(this.#options.monotonic(), this.#inFlight.newcomersLikely);
  }

  /** Signals that an action may be due. Returns at once. */
  wake(): void {
    this.#awake = true;
    this.#loop.start();
    this.#loop.wake();
  }

  /**
   * Reads what is in flight while an action is staged, so that its first window need not wait for
   * it.
   */
  expect(): void {
    if (this.#looking || this.#isRecent) return;
    this.#expecting = true;
    this.#loop.start();
    this.#loop.wake();
  }

  firstLease(): FirstLease | undefined {
    const { concurrency, monotonic, store } = this.#options;
    if (this.#loop.stopping || this.#moreDue) return undefined;
    if (this.#active.length + this.#promised >= concurrency) return undefined;
    const owner = this.#claims.newOwner();
    const leasedAt = monotonic();
    let open = true;
    this.#promised += 1;
    const cancel = (): void => {
      if (open) this.#promised -= 1;
      open = false;
    };
    return {
      owner,
      stages: store.leaseAtAcceptance(owner),
      cancel,
      begin: (action, staged) => {
        cancel();
        this.#beginAccepted({ action, owner, leasedAt }, staged);
      },
    };
  }

  /**
   * Finishes the windows under way and hands every lease back.
   *
   * @param patienceMs time after which the leases are handed back even if a window is not finished,
   * because Kafka may be unavailable. The new owner publishes that window again, and the handler
   * drops the second copies.
   */
  async stop(patienceMs = STOP_PATIENCE_MS): Promise<void> {
    const stepsEnded = this.#loop.stop().then(() => this.#steps.ended());
    const ended = Promise.all([stepsEnded, this.#skipped.stop()]);
    await settledWithin(patienceMs, ended);
    await Promise.all(this.#active.map((dispatch) => this.#release(dispatch)));
    this.#active = [];
  }

  /**
   * @returns time until the next look is due, in ms; `UNTIL_WOKEN` while nothing is leased here.
   */
  async #round(): Promise<number> {
    if (this.#isTimeToClaim) await this.#claimDue();
    const expecting = this.#expecting;
    this.#expecting = false;
    if (this.#active.length === 0 && !expecting) {
      this.#forgetOldFault();
      return UNTIL_WOKEN;
    }
    if (this.#isTimeToLook || (expecting && !this.#isRecent)) this.#known = await this.#look();
    if (this.#known) {
      this.#skipStopped();
      this.#startSteps();
    }
    if (this.#active.length === 0) return UNTIL_WOKEN;
    return this.#lookedAt + this.#lookEveryMs - this.#options.monotonic();
  }

  /** Starts a step for each action whose turn it is, while there are room and places. */
  #startSteps(): void {
    while (!this.#loop.stopping) {
      const next = this.#turns.take(this.#contenders());
      if (next === undefined) return;
      const batches = next.nextWindow(this.#inFlight.roomFor(next));
      this.#inFlight.published(next, batches);
      const step = { of: next, batches };
      // Only now may the next step of the action start, and its state be read.
      const onEnded = (): void => this.#loop.wake();
      this.#steps.start(step, () => this.#step(step), onEnded);
    }
  }

  /** Hands over the cancelled and failing actions of which no more batches are published. */
  #skipStopped(): void {
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

  /**
   * Reads the state of the leased actions and how much is in flight.
   *
   * @returns whether that succeeded.
   */
  async #look(): Promise<boolean> {
    const { store, staleMs, batchSize, health, log, monotonic } = this.#options;
    const now = monotonic();
    if (now - this.#lookedAt > 2 * LOOK_WITHIN_MS) this.#lastWindows.clear();
    this.#lookedAt = now;
    this.#lookNow = false;
    // A step under way records the progress of its action itself.
    const resting = this.#resting;
    const steps = this.#steps.running;
    this.#looking = true;
    try {
      const [states, shares] = await Promise.all([
        store.look([...resting.map(({ actionId }) => actionId), ...this.#lastWindows.actionIds]),
        store.inFlight(staleMs, batchSize),
        this.#windows.exchange(store.windows, now),
      ]);
      for (const dispatch of resting) {
        const state = states.get(dispatch.actionId);
        if (state !== undefined && dispatch.note(state) && (await dispatch.keep())) continue;
        await this.#end(dispatch);
      }
      // No other instance may take over what is under way. A step notices by itself that its lease
      // is lost.
      for (const { of } of steps) await of.keep();
      this.#lastWindows.note(states);
      this.#observeTimes();
      this.#inFlight.note(shares, this.#active, monotonic());
      // The read may have missed what these steps publish.
      for (const { of, batches } of steps) this.#inFlight.published(of, batches);
      this.#turns.forget(this.#active);
      health.set(MONGODB, 'ready');
      return true;
    } catch (error) {
      health.set(MONGODB, 'waiting', messageOf(error));
      log[isRetryable(error) ? 'debug' : 'warn']({ err: error }, 'Batches in flight not read; retrying');
      return false;
    } finally {
      this.#looking = false;
    }
  }

  #observeTimes(): void {
    const now = this.#options.monotonic();
    for (const lane of LANES) {
      const here = this.#active.filter((dispatch) => dispatch.lane === lane);
      const held = here.some((dispatch) => dispatch.hasRoom && this.#inFlight.roomFor(dispatch) === 0);
      this.#windows.observe(
        lane,
        [...here.flatMap((dispatch) => dispatch.takeTimes()), ...this.#lastWindows.takeTimes(lane)],
        held,
        now,
      );
    }
  }

  get #resting(): ActionDispatch[] {
    return this.#active.filter((dispatch) => !this.#steps.has(dispatch));
  }

  /** Stops a dispatch that must not continue here. */
  async #end(dispatch: ActionDispatch): Promise<void> {
    this.#options.log.info(
      { actionId: dispatch.actionId },
      'Dispatch stopped: the action is paused, has ended, or belongs to another instance',
    );
    await this.#release(dispatch);
    this.#active = this.#active.filter((other) => other !== dispatch);
  }

  /**
   * Clears an old fault of Kafka. The failed action may have another owner or be cancelled, so that
   * no send shows the recovery.
   */
  #forgetOldFault(): void {
    const { monotonic, retryDelayMs, health } = this.#options;
    if (monotonic() - this.#failedAt > 2 * retryDelayMs) health.set(KAFKA_PRODUCER, 'ready');
  }

  get #isTimeToLook(): boolean {
    return this.#lookNow || this.#options.monotonic() - this.#lookedAt >= this.#lookEveryMs;
  }

  /**
   * Time between two looks, in ms: a part of the latency of the fastest lane that is used here.
   *
   * While every leased action has a step under way, a look only keeps the leases.
   */
  get #lookEveryMs(): number {
    const { pollMs } = this.#options;
    if (this.#resting.length === 0) return Math.max(pollMs, CLAIM_EVERY_MS);
    const lanes = new Set(this.#active.map(({ lane }) => lane));
    const latency = Math.min(...[...lanes].map((lane) => this.#windows.latencyOf(lane) ?? 0));
    return Math.max(pollMs, Math.min(LOOK_WITHIN_MS, latency / LOOKS_PER_LATENCY));
  }

  /** Whether the last look will still be of use when an action is staged. */
  get #isRecent(): boolean {
    return this.#isKnownWithin(RECENT_MS / 2);
  }

  /** Whether the last look succeeded and is not older than `ms` milliseconds. */
  #isKnownWithin(ms: number): boolean {
    return this.#known && this.#options.monotonic() - this.#lookedAt <= ms;
  }

  get #isTimeToClaim(): boolean {
    if (this.#awake) return true;
    if (this.#active.length === 0) return this.#moreDue;
    const isWaitedFor = this.#moreDue || this.#active.length >= this.#options.concurrency;
    const everyMs = isWaitedFor ? CLAIM_EVERY_MS : CLAIM_IF_NONE_WAITS_EVERY_MS;
    return this.#options.monotonic() - this.#claimedAt >= everyMs;
  }

  async #claimDue(): Promise<void> {
    const { concurrency, monotonic, health, log } = this.#options;
    this.#awake = false;
    this.#claimedAt = monotonic();
    this.#moreDue = true;
    try {
      await this.#adoption.adoptIfDue();
      const places = concurrency - this.#active.length - this.#promised;
      this.#moreDue = await this.#claims.claim(places, (claim) => this.#begin(claim));
      if (this.#active.length >= concurrency) await this.#shareLeases();
      health.set(MONGODB, 'ready');
    } catch (error) {
      health.set(MONGODB, 'waiting', messageOf(error));
      log[isRetryable(error) ? 'debug' : 'warn']({ err: error }, 'Actions to dispatch not read; retrying');
    }
  }

  /** Gives the place of another action to an account that has no lease. */
  async #shareLeases(): Promise<void> {
    const shared = await this.#claims.share(this.#active, (dispatch) => !this.#steps.has(dispatch));
    if (shared === undefined) return;
    this.#begin(shared.claim);
    await this.#release(shared.leaving);
    this.#active = this.#active.filter((other) => other !== shared.leaving);
  }

  #begin({ action, owner, leasedAt }: Claim): void {
    const here = this.#active.find(({ actionId }) => actionId === action._id);
    if (here !== undefined) here.takeLease(owner, leasedAt, action.dispatch);
    else this.#add(new ActionDispatch(action, owner, leasedAt, this.#options));
  }

  #beginAccepted({ action, owner, leasedAt }: Claim, staged: readonly StagedBatch[]): void {
    const dispatch = new ActionDispatch(action, owner, leasedAt, this.#options, staged);
    if (this.#loop.stopping) {
      void this.#release(dispatch);
      return;
    }
    this.#add(dispatch);
    if (this.#known && !this.#looking) this.#startSteps();
    this.#loop.start();
    this.#loop.wake();
  }

  /** Adds an action. The account's room depends on all actions that are dispatched here. */
  #add(dispatch: ActionDispatch): void {
    this.#active.push(dispatch);
    if (this.#looking) return;
    if (this.#isKnownWithin(RECENT_MS)) this.#inFlight.arrived(dispatch);
    else {
      this.#known = false;
      this.#lookNow = true;
    }
  }

  async #step(step: Step<ActionDispatch>): Promise<void> {
    const { of: dispatch, batches: reserved } = step;
    const before = dispatch.nextBatch;
    if (await this.#publish(dispatch, reserved)) {
      this.#active = this.#active.filter((other) => other !== dispatch);
      this.#inFlight.left(dispatch);
    }
    step.batches = dispatch.nextBatch - before;
    this.#inFlight.published(dispatch, step.batches - reserved);
  }

  /** @returns whether the action is no longer dispatched here. */
  async #publish(dispatch: ActionDispatch, atMost: number): Promise<boolean> {
    const { log, health } = this.#options;
    const { actionId } = dispatch;
    try {
      const result = await dispatch.step(atMost);
      health.set(KAFKA_PRODUCER, 'ready');
      if (result === 'more' || result === 'full') return false;
      if (result === 'stopped') await this.#end(dispatch);
      else {
        this.#lastWindows.add(dispatch, this.#options.monotonic());
        log.info({ actionId }, 'Action dispatched');
      }
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
    if (isRetryable(error)) log.warn({ actionId, err: error }, 'Dispatch interrupted; retrying later');
    else log.error({ actionId, err: error }, 'Dispatch failed permanently');
    try {
      await dispatch.postpone(retryDelayMs);
    } catch (failure) {
      // The lease expires by itself.
      log.debug({ actionId, err: failure }, 'Lease not handed back; it expires');
    }
  }

  async #release(dispatch: ActionDispatch): Promise<void> {
    try {
      await dispatch.release();
    } catch (error) {
      // The lease expires by itself.
      this.#options.log.debug(
        { actionId: dispatch.actionId, err: error },
        'Lease not handed back; it expires',
      );
    }
  }
}
