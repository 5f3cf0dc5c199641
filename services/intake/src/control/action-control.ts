import { isFinal, judgeControl, type ActionStatus, type Control } from '@bulk/domain';
import {
  controllable,
  controlled,
  stopCauseOf,
  stored,
  type ActionDocument,
  type Database,
} from '@bulk/mongo';
import { actionNotFound, statusConflict } from '../actions/refusals.ts';
import type { ActionStore, AccountAction } from '../actions/action-store.ts';

export interface ActionControlOptions {
  readonly database: Database;
  readonly actions: ActionStore;
  /** Called with each state of an action that a control causes; never throws. */
  readonly onChanged: (action: ActionDocument) => void;
  readonly now: () => Date;
}

/**
 * Cancels, pauses and resumes actions.
 *
 * Each control is idempotent: if the action is already as requested, it is returned unchanged.
 *
 * No control reaches what is in flight. The dispatch publishes at most DISPATCH_IN_FLIGHT_BATCHES
 * ahead of the counts, so that a paused action stops within that window. The dispatch skips what
 * was never published of a cancelled action (`SkippedActions`). The action is `cancelled` when the
 * last position has its outcome. The rest of a failing action is being skipped as well, so a cancel
 * leaves it as it is.
 */
export class ActionControl {
  readonly #options: ActionControlOptions;

  constructor(options: ActionControlOptions) {
    this.#options = options;
  }

  /** @throws RestError if there is no such action, or it has completed or failed; StoreError. */
  cancel(accountId: string, actionId: string): Promise<AccountAction> {
    return this.#apply('cancel', accountId, actionId);
  }

  /**
   * @throws RestError if there is no such action, it has ended or is being cancelled; StoreError.
   */
  pause(accountId: string, actionId: string): Promise<AccountAction> {
    return this.#apply('pause', accountId, actionId);
  }

  /**
   * @throws RestError if there is no such action, it has ended or is being cancelled; StoreError.
   */
  resume(accountId: string, actionId: string): Promise<AccountAction> {
    return this.#apply('resume', accountId, actionId);
  }

  async #apply(control: Control, accountId: string, actionId: string): Promise<AccountAction> {
    const { database, actions, onChanged, now } = this.#options;
    const filter = { _id: actionId, accountId, ...controllable(control) };
    const update = controlled(control, now());
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
    const cause = stopCauseOf(found);
    if (judgeControl(control, status, cause !== undefined) === 'done') return found;
    throw statusConflict(control, actionId, status, isFinal(status) ? undefined : cause);
  }
}
