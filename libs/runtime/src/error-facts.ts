import { CodedError } from '@bulk/domain';

/** What a log says of an error. */
export interface ErrorFacts {
  readonly type: string;
  readonly message: string;
  readonly stack?: string;
  readonly code?: string;
  readonly retryable?: boolean;
  readonly cause?: ErrorFacts;
}

/** A chain of causes is followed so far. */
const MAX_CAUSES = 5;

/**
 * An error for the log: its kind, code, message and stack, and those of its causes. Nothing else of it, since what drivers
 * hang on their errors (the document of a duplicate key, a command with its arguments) are values of entities and secrets.
 */
export function errorFacts(error: unknown): unknown {
  return error instanceof Error ? factsOf(error, 0) : error;
}

function factsOf(error: Error, depth: number): ErrorFacts {
  const { name, message, stack, cause } = error;
  const code =
    'code' in error && ['string', 'number'].includes(typeof error.code) ? String(error.code) : undefined;
  return {
    type: name,
    message: scrubbed(message),
    ...(stack === undefined ? {} : { stack: scrubbed(stack) }),
    ...(code === undefined ? {} : { code }),
    ...(error instanceof CodedError ? { retryable: error.retryable } : {}),
    ...(cause instanceof Error && depth < MAX_CAUSES ? { cause: factsOf(cause, depth + 1) } : {}),
  };
}

/** Without the values of a duplicate key, and without credentials in URLs. */
export function scrubbed(text: string): string {
  return text.replace(/(dup key:).*/g, '$1 …').replace(/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/]+@/gi, '$1…@');
}
