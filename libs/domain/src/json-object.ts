import { z } from 'zod';
import type { FieldIssue } from './errors.ts';

/**
 * A JSON object that is handed on as it is. `z.record` and `z.looseObject` give a copy instead, which lacks a key called
 * `__proto__`.
 */
export const jsonObjectSchema = z.custom<Readonly<Record<string, unknown>>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'expected a JSON object',
);

/** Finds keys called `__proto__`, which every copy by zod would drop silently, at any depth of a parsed JSON value. */
export function protoKeys(value: unknown, path = ''): FieldIssue[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) => {
    const field = Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`;
    return key === '__proto__' ? [{ field, message: 'unknown field' }] : protoKeys(part, field);
  });
}
