import type { ActionSubmitted, EntityBatch, TopicNames } from '@bulk/contracts';
import { CodedError } from '@bulk/domain';
import type { MessageProducer } from '@bulk/kafka';
import type { ActionDocument } from '@bulk/mongo';
import type { DispatchStore, StagedBatch } from './dispatch-store.ts';

/** Thrown when batches of an accepted action are not there. Someone must act: data was deleted behind our back. */
export class StagedBatchesMissingError extends CodedError {
  constructor(actionId: string, from: number, expected: number, found: number) {
    super(
      'STAGED_BATCHES_MISSING',
      `action ${actionId}: expected ${expected} staged batches from ${from} on, found ${found}`,
    );
  }
}

export interface ActionDispatchOptions {
  readonly store: DispatchStore;
  readonly producer: MessageProducer;
  readonly topics: TopicNames;
  readonly windowBatches: number;
  readonly leaseMs: number;
  /** Monotonic clock, in ms. */
  readonly monotonic: () => number;
}

/** What became of a step: there is more to publish; all is published; the lease is lost, someone else goes on. */
export type StepResult = 'more' | 'done' | 'lost';

/** The part of a lease within which a window is begun: the rest is left for the send to come back. */
const SAFE_PART = 0.5;

/** The dispatch of one leased action, window by window, in order. */
export class ActionDispatch {
  readonly owner: string;
  readonly #action: ActionDocument;
  readonly #options: ActionDispatchOptions;
  #nextBatch: number;
  #leasedAt: number;

  /** @param leasedAt monotonic time, taken before the lease was asked for. */
  constructor(action: ActionDocument, owner: string, leasedAt: number, options: ActionDispatchOptions) {
    this.owner = owner;
    this.#action = action;
    this.#options = options;
    this.#nextBatch = action.dispatch.nextBatch;
    this.#leasedAt = leasedAt;
  }

  get actionId(): string {
    return this.#action._id;
  }

  /**
   * Publishes the next window and records it. A crash in between has the window published twice, which handler
   * recognises; a lease that may have run out is not used any more, by the clock of this process, which a pause of the
   * whole process does not stop.
   *
   * @throws ProduceError, StoreError: the dispatch may be taken up again, here or elsewhere.
   */
  async step(): Promise<StepResult> {
    const { store, windowBatches, leaseMs, monotonic } = this.#options;
    if (monotonic() - this.#leasedAt > leaseMs * SAFE_PART && !(await this.#renew())) return 'lost';
    if (this.#nextBatch === 0) await this.#announce();
    const window = await this.#readWindow(windowBatches);
    await this.#publish(window);
    const nextBatch = this.#nextBatch + window.length;
    const done = nextBatch >= this.#action.batchCount;
    const renewedAt = monotonic();
    if (!(await store.advance(this.actionId, this.owner, nextBatch, done))) return 'lost';
    this.#nextBatch = nextBatch;
    this.#leasedAt = renewedAt;
    return done ? 'done' : 'more';
  }

  release(): Promise<void> {
    return this.#options.store.release(this.actionId, this.owner);
  }

  async #renew(): Promise<boolean> {
    const { store, monotonic } = this.#options;
    const renewedAt = monotonic();
    if (!(await store.advance(this.actionId, this.owner, this.#nextBatch, false))) return false;
    this.#leasedAt = renewedAt;
    return true;
  }

  async #announce(): Promise<void> {
    const {
      _id,
      accountId,
      actionType,
      entityType,
      lane,
      config,
      total,
      batchCount,
      createdAt,
      scheduledFor,
    } = this.#action;
    const submitted: ActionSubmitted = {
      actionId: _id,
      accountId,
      actionType,
      entityType,
      lane,
      config: JSON.stringify(config),
      total,
      batchCount,
      submittedAt: createdAt.getTime(),
      scheduledFor: scheduledFor?.getTime() ?? null,
    };
    const headers = { 'action-id': _id, 'account-id': accountId };
    await this.#options.producer.send(this.#options.topics.actions, [
      { key: _id, value: submitted, headers },
    ]);
  }

  async #readWindow(size: number): Promise<StagedBatch[]> {
    const expected = Math.min(size, this.#action.batchCount - this.#nextBatch);
    const window = await this.#options.store.readWindow(this.actionId, this.#nextBatch, size);
    if (window.length !== expected) {
      throw new StagedBatchesMissingError(this.actionId, this.#nextBatch, expected, window.length);
    }
    return window;
  }

  async #publish(window: readonly StagedBatch[]): Promise<void> {
    const { _id, accountId, actionType, entityType, lane } = this.#action;
    const config = JSON.stringify(this.#action.config);
    const identity = { actionId: _id, accountId, actionType, entityType, lane };
    await this.#options.producer.send(
      this.#options.topics.entityBatches[lane],
      window.map(({ batchNo, partition, entities }) => {
        const value: EntityBatch = { ...identity, config, batchNo, entities: [...entities] };
        return { key: _id, value, partition, headers: { 'action-id': _id, 'batch-no': String(batchNo) } };
      }),
    );
  }
}
