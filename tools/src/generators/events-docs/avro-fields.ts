import { z } from 'zod';

/** A row of a schema's table. */
export interface FieldRow {
  /** Path within the message. `[]` stands for each item of an array. */
  readonly path: string;
  readonly type: string;
  /** The default as JSON; `undefined` if the field has none. */
  readonly fallback: string | undefined;
  readonly doc: string;
}

const fieldSchema = z.object({
  name: z.string(),
  type: z.unknown(),
  default: z.unknown().optional(),
  doc: z.string(),
});
const recordSchema = z.object({ type: z.literal('record'), name: z.string(), fields: z.array(fieldSchema) });
const arraySchema = z.object({ type: z.literal('array'), items: z.unknown() });
const mapSchema = z.object({ type: z.literal('map'), values: z.unknown() });
const enumSchema = z.object({ type: z.literal('enum'), symbols: z.array(z.string()) });
const logicalSchema = z.object({ type: z.string(), logicalType: z.string() });

/**
 * Returns the fields of an Avro record. The fields of an inner record follow the field that holds
 * it.
 *
 * @throws ZodError if the schema is not a record, or a field has no doc.
 */
export function fieldRows(schema: unknown, prefix = ''): FieldRow[] {
  return recordSchema.parse(schema).fields.flatMap(({ name, type, doc, ...field }) => {
    const path = `${prefix}${name}`;
    const fallback = 'default' in field ? JSON.stringify(field.default) : undefined;
    return [{ path, type: typeName(type), fallback, doc }, ...within(type, path)];
  });
}

/** Returns the fields of the records that a field's type holds. */
function within(type: unknown, path: string): FieldRow[] {
  if (Array.isArray(type)) return type.flatMap((branch) => within(branch, path));
  const array = arraySchema.safeParse(type);
  if (array.success) return within(array.data.items, `${path}[]`);
  const map = mapSchema.safeParse(type);
  if (map.success) return within(map.data.values, `${path}{}`);
  return recordSchema.safeParse(type).success ? fieldRows(type, `${path}.`) : [];
}

function typeName(type: unknown): string {
  if (typeof type === 'string') return type;
  if (Array.isArray(type)) return type.map(typeName).join(' or ');
  const array = arraySchema.safeParse(type);
  if (array.success) return `array of ${typeName(array.data.items)}`;
  const map = mapSchema.safeParse(type);
  if (map.success) return `map of ${typeName(map.data.values)}`;
  const symbols = enumSchema.safeParse(type);
  if (symbols.success) return `enum: ${symbols.data.symbols.map((symbol) => `\`${symbol}\``).join(', ')}`;
  const record = recordSchema.safeParse(type);
  if (record.success) return record.data.name;
  const logical = logicalSchema.parse(type);
  return `${logical.type} (${logical.logicalType})`;
}
