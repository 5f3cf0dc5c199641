import { HEADERS, type ActionSubmitted, type TopicNames } from '@bulk/contracts';
import { CodedError, LeaseTerm, type Lane, type StopCause } from '@bulk/domain';
import type { ActionDocument, DispatchState } from '@bulk/mongo';
import { withSpan } from '@bulk/runtime/telemetry';
import { batchMessages } from './batch-message.ts';
import { batchWeight } from './batch-weight.ts';
import { progressOfDocument, type DispatchProgress } from './dispatch-progress.ts';
import type { DispatchPort, DispatchProducer } from './dispatch-ports.ts';
import type { StagedBatch, WindowLimits } from './staged-batch.ts';
import { StagedReader } from './staged-reader.ts';

/**
 * Thrown when a staged batch of an accepted action is missing. An operator must act: something else
 * deleted data.
 */
export class StagedBatchMissingError extends CodedError {
  constructor(actionId: string, batchNo: number) {
    super('STAGED_BATCH_MISSING', `action ${actionId}: its staged batch ${batchNo} is missing`);
  }
}

export interface ActionDispatchOptions {
  readonly store: DispatchPort;
  readonly producer: DispatchProducer;
  readonly topics: TopicNames;
  readonly window: WindowLimits;
  /** Number of entities of a full batch. */
  readonly batchSize: number;
  /**
   * Maximum number of batches of an action in flight. A pause or a cancellation cannot stop these
   * batches.
   */
  readonly maxInFlight: number;
  /** Maximum number of batches of an action in retry topics that do not count as in flight. */
  readonly maxPostponed: number;
  /** Called with each state of an action that the dispatch causes; never throws. */
  readonly onChanged: (action: ActionDocument) => void;
  /** Called when Kafka has confirmed batches; never throws. */
  readonly onPublished?: (lane: Lane, batches: number) => void;
  readonly leaseMs: number;
  /** Monotonic clock, in ms. */
  readonly monotonic: () => number;
}

/**
 * The result of a step.
 *
 * `more`: there is more to publish. `done`: all batches are published. `full`: too much is in
 * flight, so nothing was published. `stopped`: this instance must not continue, because it lost the
 * lease or the action is paused.
 */
export type StepResult = 'more' | 'done' | 'full' | 'stopped';

/** A published window whose batches are not all counted yet. */
interface Sent {
  /** Number of the action's batches up to the last batch of this window. */
  readonly upTo: number;
  /** Monotonic time before the window was sent, in ms. */
  readonly at: number;
}

/** Dispatches one leased action, window by window, in order. */
export class ActionDispatch {
  /** Monotonic time of the claim, in ms. */
  readonly claimedAt: number;
  /** How much each of the action's batches counts in flight. */
  readonly batchWeight: number;
  readonly #action: ActionDocument;
  readonly #options: ActionDispatchOptions;
  #owner: string;
  #progress: DispatchProgress;
  #nextBatch: number;
  #lease: LeaseTerm;
  #sent: Sent[] = [];
  /** The action's config as it is published. */
  readonly #config: string;
  readonly #reader: StagedReader;
  /** Whether Kafka may hold a window that is not recorded. */
  #inDoubt = false;
  /** Whether this instance gave up the lease. A step under way may not know it yet. */
  #handedBack = false;
  /** What former holders of the lease may have published, as of the last claim. */
  #former: Pick<DispatchState, 'skipFrom' | 'mayBePublished'>;

  /**
   * @param leasedAt monotonic time before the lease was requested, in ms.
   * @param staged batches that this process has just staged, from the first one on.
   */
  constructor(
    action: ActionDocument,
    owner: string,
    leasedAt: number,
    options: ActionDispatchOptions,
    staged: readonly StagedBatch[] = [],
  ) {
    this.#owner = owner;
    this.#action = action;
    this.#options = options;
    this.#progress = progressOfDocument(action);
    this.batchWeight = batchWeight(action, options.batchSize);
    this.#config = JSON.stringify(action.config);
    const { _id: actionId, batchCount } = action;
    // Each batch's message carries the config.
    const extraBytes = Buffer.byteLength(this.#config);
    this.#reader = new StagedReader({ store: options.store, actionId, batchCount, extraBytes }, staged);
    this.#nextBatch = action.dispatch.nextBatch;
    this.#former = action.dispatch;
    this.#lease = new LeaseTerm(options.leaseMs, leasedAt);
    this.claimedAt = leasedAt;
  }

  /** The owner's name in the lease. It fences what the dispatch records. */
  get owner(): string {
    return this.#owner;
  }

  get actionId(): string {
    return this.#action._id;
  }

  get accountId(): string {
    return this.#action.accountId;
  }

  get lane(): Lane {
    return this.#action.lane;
  }

  /** The lowest batch that is not published. */
  get nextBatch(): number {
    return this.#nextBatch;
  }

  /** Whether the next step would publish something, as of the last look. */
  get hasRoom(): boolean {
    return !this.isToSkip && this.#room > 0;
  }

  /**
   * Whether the rest of the action is skipped instead of published.
   *
   * This is so if the rest was given up and Kafka holds no batch from the next one on.
   */
  get isToSkip(): boolean {
    return this.#progress.stopCause !== undefined && this.#nextBatch >= this.#skipFrom;
  }

  /** Why the rest of the action is skipped, as of the last look; `undefined` if it is not. */
  get stopCause(): StopCause | undefined {
    return this.#progress.stopCause;
  }

  /** The action as it was when this instance claimed it. */
  get action(): ActionDocument {
    return this.#action;
  }

  /** Returns the maximum number of batches that the next step publishes. */
  nextWindow(atMost: number): number {
    const left = this.#action.batchCount - this.#nextBatch;
    return Math.max(0, Math.min(atMost, this.#room, this.#options.window.batches, left));
  }

  /**
   * Returns the durations of the windows counted since the last call, from send to observation, in
   * ms.
   *
   * The times of an action that is published completely are known only while it is followed: see
   * `LastWindows`.
   */
  takeTimes(): number[] {
    const now = this.#options.monotonic();
    const { countedBatches, postponed } = this.#progress;
    const counted = this.#sent.filter(({ upTo }) => upTo <= countedBatches + postponed);
    this.#sent = this.#sent.slice(counted.length);
    return counted.map(({ at }) => now - at);
  }

  /** Whether windows of this instance are not counted, as of the last look. */
  get hasUncounted(): boolean {
    return this.#sent.length > 0;
  }

  /**
   * Batches that are published and not counted, as of the last look. Postponed batches count only
   * beyond `maxPostponed`.
   */
  get inFlight(): number {
    const { countedBatches, postponed } = this.#progress;
    return Math.max(0, this.#nextBatch - countedBatches - Math.min(postponed, this.#options.maxPostponed));
  }

  /** Records the progress of the action. @returns whether this instance must still dispatch it. */
  note(progress: DispatchProgress): boolean {
    this.#progress = progress;
    return progress.open && progress.owner === this.owner;
  }

  /**
   * Continues under another lease of this instance, after a step took longer than the former lease.
   *
   * @param former what other holders may have published in between.
   */
  takeLease(owner: string, leasedAt: number, former: DispatchState): void {
    this.#owner = owner;
    this.#former = former;
    this.#lease = new LeaseTerm(this.#options.leaseMs, leasedAt);
    this.#handedBack = false;
  }

  /**
   * Keeps the lease while there is nothing to publish.
   *
   * @returns whether the lease is still held.
   * @throws StoreError.
   */
  keep(): Promise<boolean> {
    return this.#holdsLease();
  }

  /**
   * Publishes the next window and records it.
   *
   * If the process crashes between publishing and recording, the window is published twice and the
   * handler drops the second copy. Before each send the lease must have most of its time left, by
   * the clock of this process, which continues to run while the process is suspended. Even a send
   * that arrives late does no harm. The new owner started with the same batches, so all late ones
   * are second copies, and `advance` lets no former owner past them.
   *
   * @param atMost maximum number of batches of the window, in addition to the window's own limits.
   * @throws ProduceError, StoreError: this or another instance may resume the dispatch.
   */
  async step(atMost = Number.POSITIVE_INFINITY): Promise<StepResult> {
    if (!this.hasRoom) return 'full';
    const attributes = { 'bulk.action_id': this.actionId, 'bulk.batch_no': this.#nextBatch };
    const parent = this.#action.traceparent ?? null;
    return withSpan('dispatch', { kind: 'producer', parent, attributes }, () => this.#step(atMost));
  }

  async #step(atMost: number): Promise<StepResult> {
    const { store, leaseMs, monotonic, onChanged } = this.#options;
    const { stopCause } = this.#progress;
    const first = this.#nextBatch === 0;
    // The action must not end unannounced, so its announcement is confirmed before any batch is sent.
    const [window] = await Promise.all([
      this.#readWindow(stopCause === undefined ? atMost : Math.min(atMost, this.#skipFrom - this.#nextBatch)),
      first ? this.#announce() : undefined,
    ]);
    // Nothing may come between this check and `#inDoubt`: a lease that is handed back before it
    // counts as not published.
    if (!(await this.#holdsLease()) || this.#handedBack) return 'stopped';
    const at = monotonic();
    this.#inDoubt = true;
    const nextBatch = this.#nextBatch + window.length;
    const sending = this.#publish(window, stopCause);
    this.#reader.readAhead(nextBatch);
    await sending;
    const done = nextBatch >= this.#action.batchCount;
    const renewedAt = monotonic();
    const after = await store.advance(this.actionId, this.owner, nextBatch, done);
    if (after === undefined) return 'stopped';
    this.#inDoubt = false;
    this.#nextBatch = nextBatch;
    this.#sent.push({ upTo: nextBatch, at });
    this.#lease = new LeaseTerm(leaseMs, renewedAt);
    if (first) onChanged(after);
    // Once all batches are published, it does not matter whether the action was paused or has ended
    // in the meantime.
    if (done) return 'done';
    return this.note(progressOfDocument(after)) ? 'more' : 'stopped';
  }

  /**
   * Hands the action back, so that any instance may continue with the action at once.
   *
   * @throws StoreError.
   */
  release(): Promise<void> {
    this.#handedBack = true;
    // A lease that is handed back states that nothing is published beyond what is recorded. In
    // doubt it expires instead.
    if (this.#inDoubt) return this.postpone(0);
    return this.#options.store.release(this.actionId, this.owner);
  }

  postpone(delayMs: number): Promise<void> {
    return this.#options.store.postpone(this.actionId, this.owner, delayMs);
  }

  /**
   * The first batch that is skipped once the rest is given up. A former holder of its lease may have published
   * batches below it.
   */
  get #skipFrom(): number {
    const { skipFrom, mayBePublished = 0 } = this.#former;
    return skipFrom ?? mayBePublished;
  }

  /** The number of batches that may be published now. */
  get #room(): number {
    return this.#options.maxInFlight - this.inFlight;
  }

  /** Returns whether the lease has enough time left for a send. Renews the lease if it has not. */
  async #holdsLease(): Promise<boolean> {
    const { store, leaseMs, monotonic } = this.#options;
    if (this.#handedBack) return false;
    const askedAt = monotonic();
    if (this.#lease.isSafe(askedAt)) return true;
    if (!(await store.renew(this.actionId, this.owner))) return false;
    this.#lease = new LeaseTerm(leaseMs, askedAt);
    // The answer to the renewal may have been late.
    return this.#lease.isSafe(monotonic());
  }

  async #announce(): Promise<void> {
    const { _id, accountId, actionType, entityType, lane, total, batchCount, createdAt, scheduledFor } =
      this.#action;
    const submitted: ActionSubmitted = {
      actionId: _id,
      accountId,
      actionType,
      entityType,
      lane,
      config: this.#config,
      total,
      batchCount,
      submittedAt: createdAt.getTime(),
      scheduledFor: scheduledFor?.getTime() ?? null,
    };
    const headers = { [HEADERS.actionId]: _id, [HEADERS.accountId]: accountId };
    await this.#options.producer.send(this.#options.topics.actions, [
      { key: _id, value: submitted, headers },
    ]);
  }

  async #readWindow(atMost: number): Promise<readonly StagedBatch[]> {
    const from = this.#nextBatch;
    const { batches, bytes } = this.#options.window;
    const window = await this.#reader.take(from, { batches: Math.min(batches, this.#room, atMost), bytes });
    const missing = window.findIndex(({ batchNo }, i) => batchNo !== from + i);
    if (window.length === 0) throw new StagedBatchMissingError(this.actionId, from);
    if (missing >= 0) throw new StagedBatchMissingError(this.actionId, from + missing);
    return window;
  }

  async #publish(window: readonly StagedBatch[], stopCause: StopCause | undefined): Promise<void> {
    const { lane } = this.#action;
    const messages = batchMessages(this.#action, window, stopCause);
    await this.#options.producer.send(this.#options.topics.entityBatches[lane], messages);
    this.#options.onPublished?.(lane, window.length);
  }
}
