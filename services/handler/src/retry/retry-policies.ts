import type { ActionRegistry } from '@bulk/action-types';
import type { EntityBatchContent } from '@bulk/contracts';
import { resolveRetryPolicy, type RetryLimits, type RetryPolicy } from '@bulk/domain';
import type { RetryConfig } from './retry-config.ts';

/**
 * Returns the retry policy of a batch: what its action sets, else its action type, else the
 * configuration.
 */
export function retryPolicies(
  config: RetryConfig,
  registry: ActionRegistry,
): (content: Pick<EntityBatchContent, 'identity' | 'retry'>) => RetryPolicy {
  const base: RetryPolicy = {
    maxAttempts: config.MAX_ATTEMPTS,
    initialDelayMs: config.RETRY_INITIAL_DELAY_MS,
    maxDelayMs: config.RETRY_MAX_DELAY_MS,
  };
  const limits: RetryLimits = {
    maxAttempts: config.RETRY_ATTEMPTS_LIMIT,
    maxDelayMs: config.RETRY_DELAY_LIMIT_MS,
  };
  const byType = new Map(registry.handlers.map(({ actionType, retry }) => [actionType, retry]));
  return ({ identity, retry }) => resolveRetryPolicy(base, limits, [retry, byType.get(identity.actionType)]);
}
