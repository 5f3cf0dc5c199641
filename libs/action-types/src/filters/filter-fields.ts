import { z } from 'zod';
import { plain } from '../change-fields.ts';
import type { EntityType } from '../entity-type.ts';
import { FILTER_OPERATORS, type FilterOperator } from './filter.ts';

/** Longest text that a filter compares with, in characters. */
const MAX_TEXT = 1_000;
/** The first and the last instant that ISO 8601 writes with a four-digit year, in ms. */
const FIRST_INSTANT = Date.parse('0001-01-01T00:00:00Z');
const LAST_INSTANT = Date.parse('9999-12-31T23:59:59.999Z');

const instant = z.iso
  .datetime({
    offset: true,
    error: 'expected an ISO 8601 date and time with an offset, e.g. 2026-11-24T22:00:00Z',
    abort: true,
  })
  .transform((text) => new Date(text))
  .refine(
    (at) => at.getTime() >= FIRST_INSTANT && at.getTime() <= LAST_INSTANT,
    'expected an instant in the years 0001 to 9999 of UTC',
  );
const text = z
  .string('expected a text')
  .max(MAX_TEXT, `expected at most ${MAX_TEXT} characters`)
  .refine((value) => !/\p{Surrogate}/u.test(value), 'expected well-formed Unicode');
const number = z.number('expected a number');
const boolean = z.boolean('expected true or false');

/** The values and the operators that a field of a filter takes. */
export interface FilterField {
  readonly operators: readonly FilterOperator[];
  /** Parses a value that the field is equal to, or that its list contains. */
  readonly exact: z.core.$ZodType;
  /** Parses a bound, or the start of a text. */
  readonly bound: z.core.$ZodType;
}

const EQUALITY = ['eq', 'ne', 'in', 'exists'] as const;
const ORDERED = [...EQUALITY, 'lt', 'lte', 'gt', 'gte'] as const;
const TEXTUAL = [...ORDERED, 'startsWith'] as const;

/** The fields that every record has in addition to those of its type. */
const SYSTEM_FIELDS: Readonly<Record<string, FilterField>> = {
  id: { operators: TEXTUAL, exact: text, bound: text },
  version: { operators: ORDERED, exact: number, bound: number },
  createdAt: { operators: ORDERED, exact: instant, bound: instant },
  updatedAt: { operators: ORDERED, exact: instant, bound: instant },
};

/** Returns how a filter may use a field; undefined if records of the type have no such field. */
export function filterFieldOf({ recordSchema }: EntityType, name: string): FilterField | undefined {
  if (Object.hasOwn(SYSTEM_FIELDS, name)) return SYSTEM_FIELDS[name];
  const shape: Readonly<Record<string, z.core.$ZodType>> = recordSchema.shape;
  const schema = Object.hasOwn(shape, name) ? shape[name] : undefined;
  return schema === undefined ? undefined : fieldOf(plain(schema));
}

function fieldOf(schema: z.core.$ZodType): FilterField {
  const { def } = schema._zod;
  switch (def.type) {
    case 'string':
      return { operators: TEXTUAL, exact: limited(schema), bound: text };
    case 'number':
      return { operators: ORDERED, exact: schema, bound: number };
    case 'boolean':
      return { operators: EQUALITY, exact: boolean, bound: boolean };
    case 'date':
      return { operators: ORDERED, exact: instant, bound: instant };
    case 'array':
      return {
        operators: ['contains', 'exists'],
        exact: schema instanceof z.ZodArray ? limited(schema.element) : z.never(),
        bound: z.never(),
      };
    case 'object':
    case 'record':
      return { operators: ['exists'], exact: z.never(), bound: z.never() };
    default:
      // An enum, a literal, a union: the schema itself says which values there are.
      return { operators: EQUALITY, exact: limited(schema), bound: z.never() };
  }
}

/** Adds the bounds of texts to a schema of the type's author. Only plain values pass. */
function limited(schema: z.core.$ZodType): z.core.$ZodType {
  return z.union([text, number, boolean], 'expected a text, a number or a boolean').pipe(
    // The schema takes any input, and says itself what it expects.
    schema as z.core.$ZodType<unknown, string | number | boolean>,
  );
}

/** Returns the operators in the order of the documentation, for a message. */
export function operatorList(operators: readonly FilterOperator[]): string {
  return FILTER_OPERATORS.filter((operator) => operators.includes(operator)).join(', ');
}
