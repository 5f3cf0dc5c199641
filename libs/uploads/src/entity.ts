import { fieldIssues } from '@bulk/action-types';
import { incomingEntitySchema, type FieldIssue } from '@bulk/domain';

/** Finds the first fault of a value that should be an entity; undefined if it is one and can be used unchanged. */
export function entityFault(value: unknown): FieldIssue | undefined {
  const parsed = incomingEntitySchema.safeParse(value);
  if (parsed.success) return undefined;
  const [issue] = fieldIssues(parsed.error);
  return { field: issue?.field ?? '', message: issue?.message ?? 'expected an object with an id' };
}
