import { CodedError } from '@bulk/domain';

/**
 * Whether an error is known to pass by itself: a dependency is away. Adapters class foreign errors; what reaches here
 * from kafkajs directly (a heartbeat during a rebalance) carries kafkajs' own `retriable`.
 */
export function isTransient(error: unknown): boolean {
  if (error instanceof CodedError) return error.retryable;
  return error instanceof Error && 'retriable' in error && error.retriable === true;
}
