import { CodedError, type ActionStatus, type FieldIssue } from '@bulk/domain';

/**
 * Why a well-formed request is not carried out: what it names is not there, is in the way, is in the way just now, or
 * cannot be processed.
 */
export type RefusalKind = 'not-found' | 'conflict' | 'busy' | 'unprocessable';

/** Thrown when a request is refused for what the actions are like, not for its form. */
export class RefusedError extends CodedError {
  readonly kind: RefusalKind;
  readonly issues: readonly FieldIssue[];

  /**
   * @param details facts for the caller's program, shown in the answer.
   * @param issues the fields at fault, shown instead where there are any.
   */
  constructor(
    kind: RefusalKind,
    code: string,
    message: string,
    details?: Readonly<Record<string, unknown>>,
    issues: readonly FieldIssue[] = [],
  ) {
    super(code, message, details === undefined ? {} : { details });
    this.kind = kind;
    this.issues = issues;
  }
}

export function actionNotFound(actionId: string): RefusedError {
  return new RefusedError('not-found', 'ACTION_NOT_FOUND', `there is no action ${actionId} in this account`);
}

/** What is asked for makes no sense for an action that is like this. */
export function statusConflict(
  what: string,
  actionId: string,
  status: ActionStatus,
  cancelling: boolean,
): RefusedError {
  const is = cancelling ? `${status} and being cancelled` : status;
  return new RefusedError(
    'conflict',
    'ACTION_STATUS_CONFLICT',
    `cannot ${what} action ${actionId}: it is ${is}`,
    { status, cancelling },
  );
}
