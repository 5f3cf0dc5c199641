import { changeOf, type EntityType } from '@bulk/action-types';
import { inexactNumbers } from '@bulk/domain';
import { z } from 'zod';
import { CSV_NULL } from './formulas.ts';
import { parseJson } from './json-text.ts';

/**
 * Converts the text of a cell into the value of a field; undefined if the row does not set the field.
 *
 * @param wasEscaped whether the text stood behind an apostrophe, so that it clears no field. @default false
 */
export type CellReader = (text: string, wasEscaped?: boolean) => unknown;

/**
 * Returns how the cells of a column are read. Text stays text if the field accepts it. Otherwise the cell is read as
 * JSON (a number, true or false, a list) if the field accepts that. A cell that fits neither stays text, and handler
 * reports the fault in that entity's outcome.
 *
 * @param idIsOptional whether an empty cell of the column `id` is no id.
 */
export function cellReader(column: string, entityType: EntityType, idIsOptional = false): CellReader {
  // A spreadsheet's #N/A is not a valid id.
  if (column === 'id')
    return (text, wasEscaped = false) =>
      text === CSV_NULL && !wasEscaped ? null : idIsOptional && text === '' ? undefined : text;
  if (column === 'ref') return (text) => (text === '' ? undefined : text);
  const takes = takesOf(column, entityType);
  const takesNumbers = takes(0) || takes(1);
  return (text, wasEscaped = false) => {
    if (text === '') return undefined;
    if (text === CSV_NULL && !wasEscaped) return null;
    if (takes(text)) return text;
    const value = jsonOf(text);
    if (value === undefined || value === null) return text;
    if (takesNumbers && inexactNumbers(value).length > 0) return value;
    // A number out of range stays a number, so that the fault says so and does not claim that it is no number.
    return takes(value) || (takesNumbers && typeof value === 'number') ? value : text;
  };
}

/** Returns a check whether a value fits a column. */
function takesOf(column: string, entityType: EntityType): (value: unknown) => boolean {
  if (column === 'expectedVersion') return (value) => typeof value === 'number';
  switch (changeOf(column, entityType)?.kind) {
    case undefined:
      return fieldOf(column, entityType);
    case 'increment':
      return (value) => typeof value === 'number';
    case 'addToList':
    case 'removeFromList':
      return (value) => Array.isArray(value);
  }
}

/** Returns a check whether a value fits a field. A column that is not a field of the type is text. */
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
