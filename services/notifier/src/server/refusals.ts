import type { CodedError } from '@bulk/domain';
import type { ProtocolRefusal } from '@bulk/runtime';

/** A refusal over HTTP, in the envelope of the REST API. */
export interface Refusal {
  readonly status: number;
  readonly error: CodedError;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Turns a refusal into an answer with what a client may see of its error. */
export function answerOf({ status, error, headers = {} }: Refusal): ProtocolRefusal {
  const { code, message, details } = error;
  return { status, code, message, headers, ...(details === undefined ? {} : { details }) };
}
