/** Every way in which the local stack can refuse, as a closed list: scripts may rely on the codes. */
export type StackErrorCode =
  | 'ABORTED'
  | 'BAD_ENVIRONMENT'
  | 'BUILD_FAILED'
  | 'CHECKSUM_MISMATCH'
  | 'DOWNLOAD_FAILED'
  | 'EXTERNAL_UNREACHABLE'
  | 'INSTALL_FAILED'
  | 'LOCKED'
  | 'MISSING_TOOL'
  | 'NO_SPACE'
  | 'NOT_MANAGED'
  | 'NOT_READY'
  | 'BROKERS_MISMATCH'
  | 'NOT_UP'
  | 'PART_DIED'
  | 'PORT_REFUSED'
  | 'UNHEALTHY';

/** An expected failure: what is wrong, and the one command that fixes it. */
export class StackError extends Error {
  override readonly name = 'StackError';
  readonly code: StackErrorCode;
  readonly remedy: string;

  constructor(code: StackErrorCode, message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.remedy = remedy;
  }

  /** Returns the text for a terminal. */
  override toString(): string {
    return `${this.code}: ${this.message}\n  fix it with: ${this.remedy}`;
  }
}

/** Returns the text of any thrown value. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}
