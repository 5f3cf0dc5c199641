import { CodedError, PermanentError, RetryableError } from './errors.ts';

/**
 * Why a dependency did not do its work. Of every kind but `request` the dependency as a whole is the cause, whatever the
 * request: work waits. `request` is the fault of this request alone, which the dependency would refuse again.
 * `docs/operations/outages.md` says what each service does.
 */
export const FAULT_KINDS = [
  'unreachable',
  'election',
  'authentication',
  'authorisation',
  'quota',
  'write-block',
  'disk-full',
  'out-of-memory',
  'read-only',
  'unknown',
  'request',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Kinds that a cheap probe sees as well: it gets no answer, or waits for the same new leader. */
const SEEN_BY_PROBES: ReadonlySet<FaultKind> = new Set(['unreachable', 'election']);

/** Thrown in place of the error of a dependency's client; retryable unless the request itself is at fault. */
export class DependencyError extends CodedError {
  readonly fault: FaultKind;

  constructor(code: string, message: string, fault: FaultKind, cause: unknown) {
    super(code, message, { retryable: fault !== 'request', cause });
    this.fault = fault;
  }

  /** Whether the dependency answers and refuses all work of this sort, which a probe for an answer does not see. */
  get refused(): boolean {
    return this.fault !== 'request' && !SEEN_BY_PROBES.has(this.fault);
  }
}

/**
 * Returns what a customer may read of an error: the message that was written for customers, or else `otherwise`. The text
 * of a driver or of broken code quotes commands, hosts and values; it belongs in our logs only.
 */
export function customerMessage(error: unknown, otherwise: string): string {
  return error instanceof PermanentError || error instanceof RetryableError ? error.message : otherwise;
}
