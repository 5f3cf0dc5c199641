import { InvalidArgumentError } from 'commander';
import { z } from 'zod';

/** Reads a command-line argument by a schema. commander names the option at fault. */
export function argument<T>(schema: z.ZodType<T>): (text: string) => T {
  return (text) => {
    const parsed = schema.safeParse(text);
    if (parsed.success) return parsed.data;
    throw new InvalidArgumentError(parsed.error.issues.map(({ message }) => message).join('; '));
  };
}

/** Reads a whole number within bounds. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  const expected = `expected a whole number from ${min} to ${max}`;
  return argument(
    z
      .string()
      .regex(/^\d{1,15}$/, expected)
      .transform(Number)
      .refine((n) => n >= min && n <= max, expected),
  );
}

/** Reads a number within bounds, with or without decimals. */
export function decimal(min: number, max: number): (text: string) => number {
  const expected = `expected a number from ${min} to ${max}`;
  return argument(
    z
      .string()
      .regex(/^\d{1,15}(\.\d{1,6})?$/, expected)
      .transform(Number)
      .refine((n) => n >= min && n <= max, expected),
  );
}
