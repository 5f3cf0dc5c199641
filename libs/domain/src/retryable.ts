import { CodedError } from './errors.ts';

/** Error codes of sockets and of name resolution that a retry may not meet. */
const NETWORK_CODES: ReadonlySet<string> = new Set([
  'EPIPE',
  'ECONNRESET',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_SOCKET',
]);

/** Maximum depth of the chain of causes: `fetch` wraps the socket's error, and a chain may be a ring. */
const MAX_CAUSES = 3;

/**
 * Returns whether a retry may succeed: the only classification of errors (G7).
 *
 * Adapters classify the errors of their clients into `CodedError.retryable`, by codes and labels only they know. Errors
 * that bypass an adapter are judged here. Errors of kafkajs (a heartbeat during a rebalance, a missing right) concern
 * the cluster or the consumer's session and never a message, whatever their `retriable` says. The others are network
 * faults, such as those of a call that an action type makes.
 */
export function isRetryable(error: unknown): boolean {
  if (error instanceof CodedError) return error.retryable;
  if (error instanceof Error && 'retriable' in error) return true;
  return isNetworkError(error);
}

/** Returns whether a foreign error is a network fault, by its own code or by that of a cause. */
export function isNetworkError(error: unknown): boolean {
  let current = error;
  for (let depth = 0; depth <= MAX_CAUSES && typeof current === 'object' && current !== null; depth += 1) {
    if ('code' in current && typeof current.code === 'string' && NETWORK_CODES.has(current.code)) return true;
    current = 'cause' in current ? current.cause : undefined;
  }
  return false;
}
