import type { FieldIssue } from '@bulk/domain';
import type { z } from 'zod';

/** Returns the faults that zod found, as paths and sentences. Each unknown field is a fault of its own. */
export function fieldIssues(error: z.core.$ZodError, prefix: readonly PropertyKey[] = []): FieldIssue[] {
  return error.issues.flatMap((issue) => {
    const path = [...prefix, ...issue.path];
    return issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ field: pathText([...path, key]), message: 'unknown field' }))
      : [{ field: pathText(path), message: issue.message }];
  });
}

/** Formats a path: `['entities', 3, 'id']` becomes `entities[3].id`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}
