import { CodedError } from '@bulk/domain';

/** The facts about an error that are logged. */
export interface ErrorFacts {
  readonly type: string;
  readonly message: string;
  readonly stack?: string;
  readonly code?: string;
  readonly retryable?: boolean;
  readonly cause?: ErrorFacts;
}

/** Maximum depth to which a chain of causes is followed. */
const MAX_CAUSES = 5;

/**
 * Returns the facts of an error that may be logged: kind, code, message and stack, and those of its causes.
 *
 * All other properties are left out. Drivers attach entity values and secrets to their errors, such as the document of
 * a duplicate key or a command with its arguments.
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

/** Removes the values of a duplicate key and the credentials in URLs from a text. */
export function scrubbed(text: string): string {
  return text.replace(/(dup key:).*/g, '$1 …').replace(/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/]+@/gi, '$1…@');
}
