import type { Trail } from './fence.ts';

/** Options of a coded error. */
export interface CodedErrorOptions {
  /** Whether a retry may succeed. @default false */
  retryable?: boolean;
  /** Facts for the reader of the error; never secrets and never entity values. */
  details?: Readonly<Record<string, unknown>>;
  cause?: unknown;
}

/** The base class of every error of this project: programs act on its stable `code`, people read its message. */
export class CodedError extends Error {
  readonly code: string;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: string, message: string, options: CodedErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.details = options.details;
  }
}

/** Returns the message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Options of an action type's own error. The code becomes that of the failure, see `outcomeCodeSchema`. */
export type EntityErrorOptions = Pick<CodedErrorOptions, 'details' | 'cause'> & { code?: string };

/**
 * Thrown for one entity whose fault is transient: a quota of another system, a record that is locked. The retry policy
 * of the action retries that entity with backoff, and not the others of its batch.
 */
export class RetryableError extends CodedError {
  /** @param options `code` defaults to `RETRYABLE`. */
  constructor(message: string, { code = 'RETRYABLE', ...options }: EntityErrorOptions = {}) {
    super(code, message, { ...options, retryable: true });
  }
}

/** Thrown for one entity that a retry would not fix. It fails at once, with this code. */
export class PermanentError extends CodedError {
  constructor(code: string, message: string, options: Pick<CodedErrorOptions, 'details' | 'cause'> = {}) {
    super(code, message, options);
  }
}

/** The codes of invalid input. The interfaces (REST, WebSocket) define their answer to each of them. */
export type InputErrorCode =
  | 'ACCOUNT_MISMATCH'
  | 'ACCOUNT_REQUIRED'
  | 'ENTITY_TOO_LARGE'
  | 'INVALID_ACCOUNT'
  | 'INVALID_CONFIG'
  | 'INVALID_ENCODING'
  | 'INVALID_FRAME'
  | 'INVALID_GZIP'
  | 'INVALID_HEADER'
  | 'INVALID_ID'
  | 'INVALID_JSON'
  | 'INVALID_MULTIPART'
  | 'INVALID_REQUEST'
  | 'INVALID_ROW'
  | 'UNKNOWN_ACTION_TYPE'
  | 'UNKNOWN_CHARSET'
  | 'UNKNOWN_ENTITY_TYPE';

/** Thrown when a caller's input is refused. Each issue names the field and the expected value. */
export class InvalidInputError extends CodedError {
  declare readonly code: InputErrorCode;
  readonly issues: readonly FieldIssue[];

  constructor(code: InputErrorCode, message: string, issues: readonly FieldIssue[] = []) {
    super(code, message, { details: { issues } });
    this.issues = issues;
  }
}

/** One fault of an input: `field` is a path such as `entities[3].id`. */
export interface FieldIssue {
  readonly field: string;
  readonly message: string;
}

/**
 * Thrown when a write finds that a later batch of the same lane has already changed the entity. The writer has lost its
 * partition, for example because its process stalled. It must report nothing: the new owner has reported already.
 */
export class SupersededError extends CodedError {
  /** What the writer did to the entity before the later batch changed it; absent if that is not known. */
  readonly made: Trail | undefined;

  constructor(message: string, details: Readonly<Record<string, unknown>>, made?: Trail) {
    super('SUPERSEDED', message, { details });
    this.made = made;
  }
}
