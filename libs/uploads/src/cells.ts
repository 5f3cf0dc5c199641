import type { EntityType } from '@bulk/actions';
import { inexactNumbers } from '@bulk/domain';
import { z } from 'zod';
import { parseJson } from './json-text.ts';

/** The text of a cell that clears a field, as in Salesforce's bulk files. */
export const CSV_NULL = '#N/A';

/** Turns the text of a cell into the value of a field; undefined: the row says nothing about the field. */
export type CellReader = (text: string) => unknown;

/**
 * How the cells of a column are read. Text stays text where the field takes it; otherwise the cell is read as JSON (a
 * number, true or false, a list) if the field takes that. What neither suits stays text, and handler says what is wrong
 * with it in that entity's outcome.
 */
export function cellReader(column: string, entityType: EntityType): CellReader {
  // A spreadsheet's #N/A is no one's id.
  if (column === 'id') return (text) => (text === CSV_NULL ? null : text);
  if (column === 'ref') return (text) => (text === '' ? undefined : text);
  const takes =
    column === 'expectedVersion'
      ? (value: unknown) => typeof value === 'number'
      : fieldOf(column, entityType);
  const takesNumbers = takes(0) || takes(1);
  return (text) => {
    if (text === '') return undefined;
    if (text === CSV_NULL) return null;
    if (takes(text)) return text;
    const value = jsonOf(text);
    if (value === undefined || value === null) return text;
    if (takesNumbers && inexactNumbers(value).length > 0) return value;
    // A number that is out of range is told so, and not that it is no number.
    return takes(value) || (takesNumbers && typeof value === 'number') ? value : text;
  };
}

/** Whether a value suits a field. A column that is no field of the type is text. */
function fieldOf(column: string, { patchSchema }: EntityType): (value: unknown) => boolean {
  const shape: Readonly<Record<string, z.core.$ZodType>> = patchSchema.shape;
  const schema = Object.hasOwn(shape, column) ? shape[column] : undefined;
  return schema === undefined
    ? (value) => typeof value === 'string'
    : (value) => z.safeParse(schema, value).success;
}

function jsonOf(text: string): unknown {
  const parsed = parseJson(text);
  return parsed.ok ? parsed.value : undefined;
}
