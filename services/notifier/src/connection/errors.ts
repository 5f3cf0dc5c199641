import { CodedError } from '@bulk/domain';
import { HOW_TO_NAME_ACCOUNT } from './account.ts';

/** Thrown when a connection without an account subscribes. */
export class AccountRequiredError extends CodedError {
  constructor() {
    super('ACCOUNT_REQUIRED', `name the account when connecting: ${HOW_TO_NAME_ACCOUNT}`);
  }
}

/** Thrown when the account has no such action; whether another account has it is not told. */
export class ActionNotFoundError extends CodedError {
  constructor(actionId: string) {
    super('ACTION_NOT_FOUND', `the account has no action ${actionId}`);
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

/** What a client sees of a fault that is ours. */
export class InternalError extends CodedError {
  constructor(cause: unknown) {
    super('INTERNAL_ERROR', 'the request could not be carried out', { retryable: true, cause });
  }
}
