import { typeNameSchema } from '@bulk/domain';
import { z } from 'zod';

/** Maximum number of columns that one map names. */
export const MAX_MAPPED_COLUMNS = 1_000;
/** Longest title of a column in a map, and longest name of its target, in UTF-16 units. */
const MAX_TITLE_LENGTH = 256;
/** Largest JSON of a map, in bytes. */
export const MAX_COLUMN_MAP_BYTES = 32_768;
const EXPECTED_TARGET = 'expected the name of a field, or null to ignore the column';

/**
 * A map from the titles of a CSV's columns to names: a field, `id`, `ref`, `expectedVersion`, or a change such as
 * `increment.score`; null for a column that is ignored. Whether a name exists depends on the entity type.
 */
export const columnMapSchema = z
  .record(
    z
      .string()
      .min(1, 'expected a title')
      .max(MAX_TITLE_LENGTH, `expected at most ${MAX_TITLE_LENGTH} characters`),
    z
      .string(EXPECTED_TARGET)
      .min(1, EXPECTED_TARGET)
      .max(MAX_TITLE_LENGTH, `expected at most ${MAX_TITLE_LENGTH} characters`)
      .nullable(),
    'expected an object from the titles of columns to the names of fields',
  )
  .refine((columns) => Object.keys(columns).length > 0, 'expected at least one column')
  .refine(
    (columns) => Object.keys(columns).length <= MAX_MAPPED_COLUMNS,
    `expected at most ${MAX_MAPPED_COLUMNS} columns`,
  )
  .refine(
    (columns) => new TextEncoder().encode(JSON.stringify(columns)).length <= MAX_COLUMN_MAP_BYTES,
    `expected at most ${MAX_COLUMN_MAP_BYTES} bytes of JSON`,
  );
export type ColumnMap = z.infer<typeof columnMapSchema>;

/** Longest name of a saved mapping, in UTF-16 units. */
const MAX_NAME_LENGTH = 64;
const EXPECTED_NAME = `expected 1 to ${MAX_NAME_LENGTH} visible characters, with single spaces between them, but not "." or ".."`;
/** Controls, spaces of other kinds, and a space that nobody sees. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}|^ | $| {2}/u;

/** The name of a saved mapping within its account. A path that ends with `.` or `..` would name something else. */
export const mappingNameSchema = z
  .string(EXPECTED_NAME)
  .min(1, EXPECTED_NAME)
  .max(MAX_NAME_LENGTH, EXPECTED_NAME)
  .refine((name) => !INVISIBLE.test(name) && name !== '.' && name !== '..', EXPECTED_NAME)
  .meta({ description: 'The name of the mapping: 1 to 64 visible characters.' });

/** The path of every operation on one saved mapping. */
export const mappingPathSchema = z.object({ name: mappingNameSchema.meta({ example: 'crm-export' }) });

/** The JSON body of PUT /column-mappings/:name. */
export const columnMappingInputSchema = z.strictObject({
  entityType: typeNameSchema.meta({ description: 'The entity type of the files.' }),
  columns: columnMapSchema.meta({
    description:
      'The fields of the columns, by title: a field, `id`, `ref`, `expectedVersion` or a change such as `increment.score`; null ignores the column.',
  }),
});
export type ColumnMappingInput = z.infer<typeof columnMappingInputSchema>;

/** A saved mapping as the API shows it. */
export const columnMappingSchema = z.object({
  name: mappingNameSchema,
  ...columnMappingInputSchema.shape,
  updatedAt: z.iso.datetime().meta({ description: 'When the mapping was saved last.' }),
});
export type ColumnMapping = z.infer<typeof columnMappingSchema>;
