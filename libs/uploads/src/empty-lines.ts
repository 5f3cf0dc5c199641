import { InvalidInputError } from '@bulk/domain';

/**
 * Refuses an upload that continues without an entity.
 *
 * @throws InvalidInputError if `lines` is more than `max`.
 */
export function checkEmptyLines(lines: number, max: number): void {
  if (lines <= max) return;
  throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [
    { field: '(body)', message: `expected at most ${max} empty lines` },
  ]);
}
