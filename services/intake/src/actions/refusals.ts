import { RestError } from '@bulk/contracts';
import type { ActionStatus } from '@bulk/domain';

/** Builds the refusal for an action that the account does not have. */
export function actionNotFound(actionId: string): RestError {
  return new RestError('ACTION_NOT_FOUND', `there is no action ${actionId} in this account`);
}

/** Builds the refusal of a command that the action's status does not allow. */
export function statusConflict(
  what: string,
  actionId: string,
  status: ActionStatus,
  cancelling: boolean,
): RestError {
  const is = cancelling ? `${status} and being cancelled` : status;
  return new RestError('ACTION_STATUS_CONFLICT', `cannot ${what} action ${actionId}: it is ${is}`, {
    details: { status, cancelling },
  });
}
