import { CodedError } from '@bulk/domain';

/** Thrown to answer a request with a certain HTTP status. */
export class HttpRefusal extends CodedError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(code, message);
    this.status = status;
    this.headers = headers;
  }
}

export function actionNotFound(actionId: string): HttpRefusal {
  return new HttpRefusal(404, 'ACTION_NOT_FOUND', `there is no action ${actionId} in this account`);
}
