import { fieldIssues } from '@bulk/actions';
import { incomingEntitySchema, type FieldIssue } from '@bulk/domain';

/** Finds the first fault of something that should be an entity; undefined: it is one, and may be used as it is. */
export function entityFault(value: unknown): FieldIssue | undefined {
  const parsed = incomingEntitySchema.safeParse(value);
  if (parsed.success) return undefined;
  const [issue] = fieldIssues(parsed.error);
  return { field: issue?.field ?? '', message: issue?.message ?? 'expected an object with an id' };
}
