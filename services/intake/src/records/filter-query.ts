import { parseFilter, type EntityFilter, type EntityType } from '@bulk/action-types';
import { InvalidInputError, type FieldIssue } from '@bulk/domain';
import { parseJson } from '@bulk/uploads';

/**
 * Parses the filter of a query, which is JSON text.
 *
 * @returns no condition if there is no filter.
 * @throws InvalidInputError that names each fault of the filter.
 */
export function filterOfQuery(entityType: EntityType, text: string | undefined): EntityFilter {
  if (text === undefined) return [];
  const json = parseJson(text);
  if (!json.ok) throw invalidQuery([{ field: 'filter', message: `expected JSON: ${json.message}` }]);
  const parsed = parseFilter(entityType, json.value);
  if (!parsed.ok) throw invalidQuery(parsed.issues);
  return parsed.value;
}

/** Creates the refusal of a query. */
export function invalidQuery(issues: readonly FieldIssue[]): InvalidInputError {
  return new InvalidInputError('INVALID_REQUEST', 'the request is invalid', issues);
}
