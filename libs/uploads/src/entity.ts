import { fieldIssues } from '@bulk/action-types';
import { BY_ID, rowSchema, type FieldIssue } from '@bulk/domain';

/** Finds the first fault of a value that should be an entity; undefined if it is one and can be used unchanged. */
export function entityFault(value: unknown, identity = BY_ID): FieldIssue | undefined {
  const parsed = rowSchema(identity).safeParse(value);
  if (parsed.success) return undefined;
  const [issue] = fieldIssues(parsed.error);
  return { field: issue?.field ?? '', message: issue?.message ?? 'expected an object with an id' };
}
