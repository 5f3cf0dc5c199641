import { HEADERS, type ActionSubmitted, type TopicNames } from '@bulk/contracts';
import { CodedError, LeaseTerm, type Lane } from '@bulk/domain';
import type { MessageProducer } from '@bulk/kafka';
import type { ActionDocument, DispatchState } from '@bulk/mongo';
import { withSpan } from '@bulk/telemetry';
import { batchMessages } from './batch-message.ts';
import { progressOfDocument, type DispatchProgress } from './dispatch-progress.ts';
import type { DispatchStore, StagedBatch, WindowLimits } from './dispatch-store.ts';

/** Thrown when a batch of an accepted action is not there. Someone must act: data was deleted behind our back. */
export class StagedBatchMissingError extends CodedError {
  constructor(actionId: string, batchNo: number) {
    super('STAGED_BATCH_MISSING', `action ${actionId}: its staged batch ${batchNo} is missing`);
  }
}

export interface ActionDispatchOptions {
  readonly store: DispatchStore;
  readonly producer: MessageProducer;
  readonly topics: TopicNames;
  readonly window: WindowLimits;
  /** Batches of an action that are published and not counted yet, at most: what a pause or a cancelling cannot stop. */
  readonly maxInFlight: number;
  /** Batches of an action in retry topics that do not count as in flight, at most. */
  readonly maxPostponed: number;
  /** Told each state of an action that dispatch brings about; never throws. */
  readonly onChanged: (action: ActionDocument) => void;
  /** Called when batches are confirmed by Kafka; never throws. */
  readonly onPublished?: (lane: Lane, batches: number) => void;
  readonly leaseMs: number;
  /** Monotonic clock, in ms. */
  readonly monotonic: () => number;
}

/**
 * What became of a step: there is more to publish; all is published; too much is in flight, so nothing was done; it is not
 * ours to go on (any more), or the action is paused.
 */
export type StepResult = 'more' | 'done' | 'full' | 'stopped';

/** A window that was published and is not counted yet. */
interface Sent {
  /** Batches of the action up to its last one. */
  readonly upTo: number;
  /** Monotonic time before it was sent, in ms. */
  readonly at: number;
}

/** The dispatch of one leased action, window by window, in order. */
export class ActionDispatch {
  /** Monotonic time of the claim, in ms. */
  readonly claimedAt: number;
  readonly #action: ActionDocument;
  readonly #options: ActionDispatchOptions;
  #owner: string;
  #progress: DispatchProgress;
  #nextBatch: number;
  #lease: LeaseTerm;
  #sent: Sent[] = [];
  /** As it is published. */
  readonly #config: string;
  /** Whether a window may be in Kafka that is not recorded. */
  #inDoubt = false;
  /** Whether the lease was given up here, which a step under way may not know yet. */
  #handedBack = false;
  /** What former holders of the lease may have done, as of the last claim. */
  #former: Pick<DispatchState, 'skipFrom' | 'mayBePublished'>;

  /** @param leasedAt monotonic time, taken before the lease was asked for. */
  constructor(action: ActionDocument, owner: string, leasedAt: number, options: ActionDispatchOptions) {
    this.#owner = owner;
    this.#action = action;
    this.#options = options;
    this.#progress = progressOfDocument(action);
    this.#config = JSON.stringify(action.config);
    this.#nextBatch = action.dispatch.nextBatch;
    this.#former = action.dispatch;
    this.#lease = new LeaseTerm(options.leaseMs, leasedAt);
    this.claimedAt = leasedAt;
  }

  /** The name in the lease, which fences what is recorded. */
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

  /** Lowest batch that is not published. */
  get nextBatch(): number {
    return this.#nextBatch;
  }

  /** Whether the next step would publish something, as far as is known. */
  get hasRoom(): boolean {
    return !this.isToSkip && this.#room > 0;
  }

  /** Whether what is left of it is not published but skipped: it is cancelled, and no batch from the next one on is in Kafka. */
  get isToSkip(): boolean {
    return this.#progress.cancelled && this.#nextBatch >= this.#skipFrom;
  }

  /** The action as it was when it was claimed. */
  get action(): ActionDocument {
    return this.#action;
  }

  /** Batches that the next step publishes, at most. */
  nextWindow(atMost: number): number {
    const left = this.#action.batchCount - this.#nextBatch;
    return Math.max(0, Math.min(atMost, this.#room, this.#options.window.batches, left));
  }

  /**
   * How long the windows took that have been counted since the last call, from their sending until it was seen, in ms.
   * Of the last window nothing is heard: whoever is done is not looked at any more.
   */
  takeTimes(): number[] {
    const now = this.#options.monotonic();
    const { countedBatches, postponed } = this.#progress;
    const counted = this.#sent.filter(({ upTo }) => upTo <= countedBatches + postponed);
    this.#sent = this.#sent.slice(counted.length);
    return counted.map(({ at }) => now - at);
  }

  /** Batches that are published and neither counted nor postponed within the bound of that, as far as is known. */
  get inFlight(): number {
    const { countedBatches, postponed } = this.#progress;
    return Math.max(0, this.#nextBatch - countedBatches - Math.min(postponed, this.#options.maxPostponed));
  }

  /** Takes note of how the action stands. @returns whether it is still to be dispatched, by us. */
  note(progress: DispatchProgress): boolean {
    this.#progress = progress;
    return progress.open && progress.owner === this.owner;
  }

  /**
   * Continues under another lease of this instance, after its own had run out in a step that took too long.
   *
   * @param former what others may have done in between.
   */
  takeLease(owner: string, leasedAt: number, former: DispatchState): void {
    this.#owner = owner;
    this.#former = former;
    this.#lease = new LeaseTerm(this.#options.leaseMs, leasedAt);
    this.#handedBack = false;
  }

  /** Keeps the lease while there is nothing to do. @returns whether it is still held. @throws StoreError. */
  keep(): Promise<boolean> {
    return this.#holdsLease();
  }

  /**
   * Publishes the next window and records it.
   *
   * @param atMost batches that it may hold beside its own limits.
   * A crash in between has the window published twice, which handler recognises. Before each send the lease must have
   * most of its time left, by the clock of this process, which does not stand still while the process does. Even a send
   * that arrives late does no harm: whoever has taken over began with the same batches, so that all of the late ones are
   * second copies; and `advance` lets nobody past them who has lost the lease.
   *
   * @throws ProduceError, StoreError: the dispatch may be taken up again, here or elsewhere.
   */
  async step(atMost = Number.POSITIVE_INFINITY): Promise<StepResult> {
    if (!this.hasRoom) return 'full';
    const attributes = { 'bulk.action_id': this.actionId, 'bulk.batch_no': this.#nextBatch };
    const parent = this.#action.traceparent ?? null;
    return withSpan('dispatch', { kind: 'producer', parent, attributes }, () => this.#step(atMost));
  }

  async #step(atMost: number): Promise<StepResult> {
    const { store, leaseMs, monotonic, onChanged } = this.#options;
    const { cancelled } = this.#progress;
    const window = await this.#readWindow(
      cancelled ? Math.min(atMost, this.#skipFrom - this.#nextBatch) : atMost,
    );
    if (!(await this.#holdsLease())) return 'stopped';
    if (this.#nextBatch === 0) await this.#announce();
    // From here to the doubt nothing may come in between: what is handed back without it counts as not published.
    if (!(await this.#holdsLease()) || this.#handedBack) return 'stopped';
    const at = monotonic();
    this.#inDoubt = true;
    await this.#publish(window, cancelled);
    const nextBatch = this.#nextBatch + window.length;
    const done = nextBatch >= this.#action.batchCount;
    const renewedAt = monotonic();
    const first = this.#nextBatch === 0;
    const after = await store.advance(this.actionId, this.owner, nextBatch, done);
    if (after === undefined) return 'stopped';
    this.#inDoubt = false;
    this.#nextBatch = nextBatch;
    this.#sent.push({ upTo: nextBatch, at });
    this.#lease = new LeaseTerm(leaseMs, renewedAt);
    if (first) onChanged(after);
    // Where all batches are published it does not matter that the action has been paused or has ended in the meantime.
    if (done) return 'done';
    return this.note(progressOfDocument(after)) ? 'more' : 'stopped';
  }

  /** Hands it back, so that any instance may go on with it at once. @throws StoreError. */
  release(): Promise<void> {
    this.#handedBack = true;
    // A lease that is handed back says that nothing is published beyond what is recorded: then it runs out instead.
    if (this.#inDoubt) return this.postpone(0);
    return this.#options.store.release(this.actionId, this.owner);
  }

  postpone(delayMs: number): Promise<void> {
    return this.#options.store.postpone(this.actionId, this.owner, delayMs);
  }

  /** From where on a cancelled action is skipped: below it, a former holder of its lease may have published batches. */
  get #skipFrom(): number {
    const { skipFrom, mayBePublished = 0 } = this.#former;
    return skipFrom ?? mayBePublished;
  }

  /** Batches that may be published now. */
  get #room(): number {
    return this.#options.maxInFlight - this.inFlight;
  }

  /** Whether the lease has enough time left for a send, if need be after it was renewed. */
  async #holdsLease(): Promise<boolean> {
    const { store, leaseMs, monotonic } = this.#options;
    if (this.#handedBack) return false;
    const askedAt = monotonic();
    if (this.#lease.isSafe(askedAt)) return true;
    if (!(await store.renew(this.actionId, this.owner))) return false;
    this.#lease = new LeaseTerm(leaseMs, askedAt);
    // The answer itself may have been late.
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

  async #readWindow(atMost: number): Promise<StagedBatch[]> {
    const from = this.#nextBatch;
    const {
      store,
      window: { batches, bytes },
    } = this.#options;
    const limits = { batches: Math.min(batches, this.#room, atMost), bytes };
    // The message of each batch carries the configuration.
    const window = await store.readWindow(this.actionId, from, limits, Buffer.byteLength(this.#config));
    const missing = window.findIndex(({ batchNo }, i) => batchNo !== from + i);
    if (window.length === 0) throw new StagedBatchMissingError(this.actionId, from);
    if (missing >= 0) throw new StagedBatchMissingError(this.actionId, from + missing);
    return window;
  }

  async #publish(window: readonly StagedBatch[], cancelled: boolean): Promise<void> {
    const { lane } = this.#action;
    const messages = batchMessages(this.#action, window, cancelled);
    await this.#options.producer.send(this.#options.topics.entityBatches[lane], messages);
    this.#options.onPublished?.(lane, window.length);
  }
}
