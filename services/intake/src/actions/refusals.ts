import { RestError } from '@bulk/contracts';
import type { ActionStatus } from '@bulk/domain';

/** No such action in the account. */
export function actionNotFound(actionId: string): RestError {
  return new RestError('ACTION_NOT_FOUND', `there is no action ${actionId} in this account`);
}

/** What is asked for makes no sense for an action that is like this. */
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
