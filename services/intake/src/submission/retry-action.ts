import { RestError } from '@bulk/contracts';
import { isFinal, type ActionStatus } from '@bulk/domain';
import type { ActionStore } from '../actions/action-store.ts';
import type { CreateAction, CreateResult } from './create-action.ts';
import type { FailedEntities } from './failed-entities.ts';
import { actionNotFound } from '../actions/refusals.ts';

export interface RetryActionOptions {
  readonly actions: ActionStore;
  readonly createAction: CreateAction;
  readonly failedEntities: FailedEntities;
  readonly newActionId: () => string;
}

/** Tries the failed positions of an action again, as a new action. */
export class RetryAction {
  readonly #options: RetryActionOptions;

  constructor(options: RetryActionOptions) {
    this.#options = options;
  }

  /**
   * Accepts a new action of only the failed positions, in their order.
   *
   * It has the config and retry policy of the old one and starts at once. The call is idempotent:
   * an action has one retry. What fails again is retried by a retry of the new action.
   *
   * @throws RestError if there is no such action, it has not ended, nothing failed, or its entities
   * are no longer kept; StoreError.
   */
  async execute(accountId: string, actionId: string): Promise<CreateResult> {
    const { actions, createAction, failedEntities, newActionId } = this.#options;
    // A caller's key holds no space, so that this key is unique.
    const key = { key: `retry ${actionId}`, digest: () => actionId };
    const action = await actions.find(accountId, actionId);
    if (action === null) throw actionNotFound(actionId);
    // The batches of the old action may be gone by now, and reading them would add nothing.
    const retried = await createAction.findReplay(accountId, key);
    if (retried !== undefined) return retried;
    const status = action.status as ActionStatus;
    if (!isFinal(status)) {
      throw new RestError('ACTION_NOT_FINISHED', `action ${actionId} is ${status}: retry it at its end`, {
        details: { status },
      });
    }
    if (action.counts.failure === 0) {
      throw new RestError('NOTHING_TO_RETRY', `nothing of action ${actionId} has failed`, {
        details: { status },
      });
    }
    const { actionType, entityType, lane, config, dryRun, matchBy, retry, callback, changes } = action;
    const draft = {
      identity: { actionId: newActionId(), accountId, actionType, entityType, lane },
      config,
      dryRun,
      // Rows that were not matched are matched again; the others keep their entities.
      ...(matchBy === undefined ? {} : { matchBy }),
      scheduledFor: null,
      retryOf: actionId,
      // A failed position may have been applied: a dead letter, a lost outcome. So the whole chain shares its marks.
      rootActionId: action.rootActionId ?? actionId,
      ...(retry === undefined ? {} : { retry }),
      ...(changes === undefined ? {} : { changes }),
      ...(callback === undefined ? {} : { callbackUrl: callback.url }),
    };
    return createAction.stage(draft, failedEntities.read(actionId), key);
  }
}
