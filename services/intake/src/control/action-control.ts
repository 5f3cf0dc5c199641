import { isFinal, type ActionStatus } from '@bulk/domain';
import { stored, updatedAt, WITH_DUE_AT, type ActionDocument, type Database } from '@bulk/mongo';
import type { Document, Filter } from 'mongodb';
import { actionNotFound, statusConflict } from '../actions/refusals.ts';
import type { ActionStore, AccountAction } from '../actions/action-store.ts';

export interface ActionControlOptions {
  readonly database: Database;
  readonly actions: ActionStore;
  /** Told each state that a control brings about; never throws. */
  readonly onChanged: (action: ActionDocument) => void;
  readonly now: () => Date;
}

/** What is asked for, and what an action must be like for it. */
interface Control {
  readonly name: 'cancel' | 'pause' | 'resume';
  readonly from: readonly ActionStatus[];
  /** What changes, in the database's words. */
  readonly change: Document;
  /** Whether the action is already as it was asked to be. */
  readonly isDone: (status: ActionStatus, cancelling: boolean) => boolean;
}

/**
 * Cancels, pauses and resumes actions. Each is idempotent: where the action is already as it was asked to be, nothing
 * happens and it is answered as it is.
 *
 * None of them reaches what is in flight: the dispatch publishes at most DISPATCH_IN_FLIGHT_BATCHES ahead of the counts,
 * so that a paused action stops within that window. What of a cancelled one was never published is skipped by the dispatch
 * (`SkippedActions`); the action is `cancelled` when the last position has its outcome.
 */
export class ActionControl {
  readonly #options: ActionControlOptions;

  constructor(options: ActionControlOptions) {
    this.#options = options;
  }

  /** @throws RestError when there is none, or it has completed or failed; StoreError. */
  cancel(accountId: string, actionId: string): Promise<AccountAction> {
    const now = this.#options.now();
    return this.#apply(accountId, actionId, {
      name: 'cancel',
      from: ['pending', 'queued', 'processing', 'paused'],
      change: { cancelRequestedAt: now, ...ends(now) },
      isDone: (status, cancelling) => status === 'cancelled' || cancelling,
    });
  }

  /** @throws RestError when there is none, or it has ended or is being cancelled; StoreError. */
  pause(accountId: string, actionId: string): Promise<AccountAction> {
    return this.#apply(accountId, actionId, {
      name: 'pause',
      from: ['pending', 'queued', 'processing'],
      change: { status: 'paused' },
      isDone: (status) => status === 'paused',
    });
  }

  /** @throws RestError when there is none, or it has ended or is being cancelled; StoreError. */
  resume(accountId: string, actionId: string): Promise<AccountAction> {
    const now = this.#options.now();
    return this.#apply(accountId, actionId, {
      name: 'resume',
      from: ['paused'],
      change: ends(now),
      isDone: (status, cancelling) => !isFinal(status) && status !== 'paused' && !cancelling,
    });
  }

  async #apply(accountId: string, actionId: string, control: Control): Promise<AccountAction> {
    const { database, actions, onChanged, now } = this.#options;
    const filter: Filter<ActionDocument> = {
      _id: actionId,
      accountId,
      status: { $in: [...control.from] },
      cancelRequestedAt: null,
    };
    const update = [
      { $set: { ...control.change, version: { $add: ['$version', 1] }, updatedAt: updatedAt(now()) } },
      WITH_DUE_AT,
    ];
    const changed = await stored(
      database.actions.findOneAndUpdate(filter, update, { returnDocument: 'after' }),
    );
    if (changed !== null) {
      onChanged(changed);
      return changed;
    }
    const found = await actions.find(accountId, actionId);
    if (found === null) throw actionNotFound(actionId);
    const status = found.status as ActionStatus;
    const cancelling = found.cancelRequestedAt !== null && !isFinal(status);
    if (control.isDone(status, cancelling)) return found;
    throw statusConflict(control.name, actionId, status, cancelling);
  }
}

/** The status of a paused action, had it not been paused; that of any other as it is. */
const AS_IF_NEVER_PAUSED: Document = {
  $switch: {
    branches: [
      { case: { $ne: ['$status', 'paused'] }, then: '$status' },
      { case: { $ne: ['$startedAt', null] }, then: 'processing' },
      { case: { $ne: ['$queuedAt', null] }, then: 'queued' },
    ],
    default: 'pending',
  },
};

/** What the end of a pause changes; nothing of an action that is not paused. */
function ends(now: Date): Document {
  // It ran until its last change: that of the pause, or the last outcome of what was in flight then.
  const stoodStill = { $subtract: [now.getTime(), { $toLong: { $max: ['$startedAt', '$updatedAt'] } }] };
  const counts = { $and: [{ $eq: ['$status', 'paused'] }, { $ne: ['$startedAt', null] }] };
  const before = { $ifNull: ['$pausedMs', 0] };
  return {
    status: AS_IF_NEVER_PAUSED,
    pausedMs: { $cond: [counts, { $add: [before, { $max: [0, stoodStill] }] }, before] },
  };
}
