import { z } from 'zod';
import type { FieldIssue } from './errors.ts';

/**
 * Accepts a JSON object and passes it on unchanged. `z.record` and `z.looseObject` make a copy, which drops a key
 * called `__proto__`.
 */
export const jsonObjectSchema = z.custom<Readonly<Record<string, unknown>>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'expected a JSON object',
);

/** Finds keys called `__proto__` at any depth of a parsed JSON value. Every copy by zod would drop them silently. */
export function protoKeys(value: unknown, path = ''): FieldIssue[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) => {
    const field = Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`;
    return key === '__proto__' ? [{ field, message: 'unknown field' }] : protoKeys(part, field);
  });
}
