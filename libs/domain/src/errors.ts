/** What a coded error carries besides its message. */
export interface CodedErrorOptions {
  /** Whether trying the same again may succeed. Default false. */
  retryable?: boolean;
  /** Facts for the reader of the error; never secrets and never entity values. */
  details?: Readonly<Record<string, unknown>>;
  cause?: unknown;
}

/** The root of every error this project throws: a stable `code` to act on, a message to read. */
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

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What an action type may say of its own error; the code is that of a failure, see `outcomeCodeSchema`. */
export type EntityErrorOptions = Pick<CodedErrorOptions, 'details' | 'cause'> & { code?: string };

/**
 * Thrown for one entity whose fault may pass: a quota of another system, a record that someone else holds. That entity is
 * tried again with backoff by its action's retry policy, the others of its batch are not.
 */
export class RetryableError extends CodedError {
  /** @param options `code` is `RETRYABLE` where none is given. */
  constructor(message: string, { code = 'RETRYABLE', ...options }: EntityErrorOptions = {}) {
    super(code, message, { ...options, retryable: true });
  }
}

/** Thrown for one entity that no other try would mend: its failure at once, with this code. */
export class PermanentError extends CodedError {
  constructor(code: string, message: string, options: Pick<CodedErrorOptions, 'details' | 'cause'> = {}) {
    super(code, message, options);
  }
}

/** What can be wrong with a caller's input. The interfaces (REST, WebSocket) say what they answer to each of them. */
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

/** Thrown when a caller's input is refused: each issue names the field and what was expected. */
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
 * Thrown when a write finds that a later batch of the same lane has already changed the entity: whoever asks has lost
 * its partition (a stalled handler that woke up). It must report nothing; the later owner has reported already.
 */
export class SupersededError extends CodedError {
  constructor(message: string, details: Readonly<Record<string, unknown>>) {
    super('SUPERSEDED', message, { details });
  }
}
