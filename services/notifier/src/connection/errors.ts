import { CodedError } from '@bulk/domain';
import { HOW_TO_NAME_ACCOUNT } from './account.ts';

/** Thrown when a connection without an account asks for what needs one. */
export class AccountRequiredError extends CodedError {
  constructor() {
    super('ACCOUNT_REQUIRED', `name the account when connecting: ${HOW_TO_NAME_ACCOUNT}`);
  }
}

/** What a client sees of an internal error. */
export class InternalError extends CodedError {
  constructor(cause: unknown) {
    super('INTERNAL_ERROR', 'the request could not be carried out', { retryable: true, cause });
  }
}
