import { CodedError, PermanentError, RetryableError } from './errors.ts';

/**
 * Why a dependency failed. `request` means that this request alone is at fault, and the dependency would refuse it
 * again. With every other kind the dependency as a whole is the cause, whatever the request, and work waits.
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

/** Kinds that a cheap probe also detects: it gets no answer, or waits for the same new leader. */
const SEEN_BY_PROBES: ReadonlySet<FaultKind> = new Set(['unreachable', 'election']);

/** Thrown in place of the error of a dependency's client. It is retryable unless the request itself is at fault. */
export class DependencyError extends CodedError {
  readonly fault: FaultKind;

  constructor(code: string, message: string, fault: FaultKind, cause: unknown) {
    super(code, message, { retryable: fault !== 'request', cause });
    this.fault = fault;
  }

  /** Whether the dependency answers but refuses all work of this kind. A probe for an answer does not detect that. */
  get refused(): boolean {
    return this.fault !== 'request' && !SEEN_BY_PROBES.has(this.fault);
  }
}

/**
 * Returns the error text that a customer may read: the message if it was written for customers, else `otherwise`.
 *
 * The text of a driver or of broken code quotes commands, hosts and values. It belongs in our logs only.
 */
export function customerMessage(error: unknown, otherwise: string): string {
  return error instanceof PermanentError || error instanceof RetryableError ? error.message : otherwise;
}
