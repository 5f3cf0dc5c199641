import { CodedError } from '@bulk/domain';

/** Thrown when the account has no such action; whether another account has it is not told. */
export class ActionNotFoundError extends CodedError {
  /** @param accountId undefined: no account has it. */
  constructor(actionId: string, accountId: string | undefined) {
    const where = accountId === undefined ? 'there is' : 'the account has';
    super('ACTION_NOT_FOUND', `${where} no action ${actionId}`);
  }
}

/** Thrown when a connection would hold more subscriptions than it may. */
export class TooManySubscriptionsError extends CodedError {
  constructor(limit: number) {
    super('TOO_MANY_SUBSCRIPTIONS', `expected at most ${limit} subscriptions on a connection`, {
      details: { limit },
    });
  }
}

/** Thrown, or told later, when a subscription to an account would have to track more actions than it may. */
export class TooManyActionsError extends CodedError {
  constructor(limit: number, accountId: string) {
    super(
      'TOO_MANY_ACTIONS',
      `the account has more than ${limit} actions to show: subscribe to single actions, or give a later "since"`,
      { details: { limit, accountId } },
    );
  }
}
