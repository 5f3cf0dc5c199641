import { CodedError } from '@bulk/domain';

/** Thrown to answer a request with a certain HTTP status. */
export class HttpRefusal extends CodedError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    message: string,
    headers: Readonly<Record<string, string>> = {},
    details?: Readonly<Record<string, unknown>>,
  ) {
    super(code, message, details === undefined ? {} : { details });
    this.status = status;
    this.headers = headers;
  }
}
