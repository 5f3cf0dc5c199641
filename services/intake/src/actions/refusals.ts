import { RestError } from '@bulk/contracts';
import { isFinal, type ActionStatus, type StopCause } from '@bulk/domain';
import type { ActionDocument } from '@bulk/mongo';

const STOPPING: Readonly<Record<StopCause, string>> = {
  cancelled: ' and being cancelled',
  failed: ' and failing',
};

/** Builds the refusal for an action that the account does not have. */
export function actionNotFound(actionId: string): RestError {
  return new RestError('ACTION_NOT_FOUND', `there is no action ${actionId} in this account`);
}

/**
 * Builds the refusal of a command that the action's status does not allow.
 *
 * @param stopping why the rest of an unfinished action is being skipped; `undefined` if it is not.
 */
export function statusConflict(
  what: string,
  actionId: string,
  status: ActionStatus,
  stopping: StopCause | undefined,
): RestError {
  const is = `${status}${stopping === undefined ? '' : STOPPING[stopping]}`;
  return new RestError('ACTION_STATUS_CONFLICT', `cannot ${what} action ${actionId}: it is ${is}`, {
    details: { status, cancelling: stopping === 'cancelled' },
  });
}

/**
 * Returns the status of an action that has ended.
 *
 * @param what the command that needs the end, such as `retry`.
 * @throws RestError `ACTION_NOT_FINISHED`.
 */
export function checkEnded(
  { _id, status: stored }: Pick<ActionDocument, '_id' | 'status'>,
  what: string,
): ActionStatus {
  // No reader gives an action that is still being staged.
  const status = stored as ActionStatus;
  if (isFinal(status)) return status;
  throw new RestError('ACTION_NOT_FINISHED', `action ${_id} is ${status}: ${what} it at its end`, {
    details: { status },
  });
}
