import type { ActionParameters } from '@bulk/contracts';
import { failureLimit, InvalidInputError, type FailureLimit } from '@bulk/domain';

/**
 * Returns the failure limit of a request, as a part of an action's draft.
 *
 * @throws InvalidInputError for `onMaxFailures` without `maxFailures`.
 */
export function failureLimitOf({
  maxFailures,
  onMaxFailures,
}: Pick<ActionParameters, 'maxFailures' | 'onMaxFailures'>): { readonly failureLimit?: FailureLimit } {
  if (maxFailures !== undefined) return { failureLimit: failureLimit(maxFailures, onMaxFailures) };
  if (onMaxFailures === undefined) return {};
  throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [
    { field: 'onMaxFailures', message: 'expected maxFailures too' },
  ]);
}
