import { CodedError } from '@bulk/domain';

/**
 * Thrown when the account has no such action. It does not reveal whether another account has the
 * action.
 */
export class ActionNotFoundError extends CodedError {
  /** @param accountId `undefined` if no account has the action. */
  constructor(actionId: string, accountId: string | undefined) {
    const where = accountId === undefined ? 'there is' : 'the account has';
    super('ACTION_NOT_FOUND', `${where} no action ${actionId}`);
  }
}

/** Thrown when a connection would exceed its maximum number of subscriptions. */
export class TooManySubscriptionsError extends CodedError {
  constructor(limit: number) {
    super('TOO_MANY_SUBSCRIPTIONS', `expected at most ${limit} subscriptions on a connection`, {
      details: { limit },
    });
  }
}

/**
 * Thrown, or sent later, when a subscription to an account would have to track too many actions.
 */
export class TooManyActionsError extends CodedError {
  constructor(limit: number, accountId: string) {
    super(
      'TOO_MANY_ACTIONS',
      `the account has more than ${limit} actions to show: subscribe to single actions, or give a later "since"`,
      { details: { limit, accountId } },
    );
  }
}
