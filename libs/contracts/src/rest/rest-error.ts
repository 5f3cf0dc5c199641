import { CodedError, type FieldIssue } from '@bulk/domain';
import { restErrorOf, type RestErrorCode } from './errors.ts';

/** Options of an error of the REST API, in addition to its code and message. */
export interface RestErrorOptions {
  /** Facts for the caller's program, sent as `details`. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** The fields at fault, sent as `details` in place of the facts if there are any. */
  readonly issues?: readonly FieldIssue[];
  /** Headers in addition to those that follow from the code. */
  readonly headers?: Readonly<Record<string, string>>;
  /** @default the status of the code in `REST_ERRORS` */
  readonly status?: number;
}

/** Thrown to refuse a request: the answer has the code's status and headers, and this message. */
export class RestError extends CodedError {
  declare readonly code: RestErrorCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly issues: readonly FieldIssue[];

  constructor(
    code: RestErrorCode,
    message: string,
    { details, issues = [], headers, status }: RestErrorOptions = {},
  ) {
    super(code, message, details === undefined ? {} : { details });
    const definition = restErrorOf(code);
    this.status = status ?? definition.status;
    const { retryAfterS } = definition;
    this.headers = {
      ...(retryAfterS === undefined ? {} : { 'retry-after': String(retryAfterS) }),
      ...headers,
    };
    this.issues = issues;
  }
}
