import { fieldIssues } from '@bulk/action-types';
import { InvalidInputError, type InputErrorCode } from '@bulk/domain';
import type { z } from 'zod';

/**
 * Parses external input.
 *
 * @throws InvalidInputError that names every field at fault and what was expected.
 */
export function validate<T>(
  schema: z.ZodType<T>,
  input: unknown,
  code: InputErrorCode = 'INVALID_REQUEST',
): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw new InvalidInputError(code, 'the request is invalid', fieldIssues(parsed.error));
}
