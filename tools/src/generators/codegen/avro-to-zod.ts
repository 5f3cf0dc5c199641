/** The part of Avro that the project's schemas use. */
export type AvroType = string | readonly AvroType[] | AvroComplex;
interface AvroComplex {
  readonly type: string | AvroComplex;
  readonly name?: string;
  readonly doc?: string;
  readonly fields?: readonly AvroField[];
  readonly items?: AvroType;
  readonly values?: AvroType;
  readonly symbols?: readonly string[];
  readonly logicalType?: string;
}
interface AvroField {
  readonly name: string;
  readonly type: AvroType;
  readonly doc?: string;
  readonly default?: unknown;
}

const PRIMITIVES: Readonly<Record<string, string>> = {
  string: 'z.string()',
  boolean: 'z.boolean()',
  int: 'z.int32()',
  // avsc decodes a long to a number and throws on one that is not a safe integer.
  long: 'z.int()',
  double: 'z.number()',
  bytes: 'z.custom<Buffer>((value) => Buffer.isBuffer(value), "expected bytes")',
};

/**
 * Writes the zod schema and the inferred TypeScript type of every named type of one Avro schema.
 *
 * @returns TypeScript source, one declaration after the other, the inner types first.
 * @throws Error on an Avro construct that the project's schemas do not use yet.
 */
export function avroToZod(schema: AvroType, declared: Set<string>): string {
  const declarations: string[] = [];

  const declare = (name: string, doc: string | undefined, body: string): void => {
    if (declared.has(name)) return;
    declared.add(name);
    const comment = doc === undefined ? '' : `/** ${doc} */\n`;
    const constant = schemaConstant(name);
    declarations.push(
      `${comment}export const ${constant} = ${body};\nexport type ${name} = z.infer<typeof ${constant}>;\n`,
    );
  };

  const expression = (type: AvroType): string => {
    if (typeof type === 'string') {
      return PRIMITIVES[type] ?? (declared.has(type) ? schemaConstant(type) : unsupported(type));
    }
    if (isUnion(type)) {
      const [first, second, ...more] = type;
      if (first !== 'null' || second === undefined || more.length > 0) return unsupported(type);
      return `${expression(second)}.nullable()`;
    }
    if (typeof type.type !== 'string') return expression(type.type);
    switch (type.type) {
      case 'record':
        return record(type);
      case 'enum':
        declare(named(type), type.doc, `z.enum(${JSON.stringify(type.symbols ?? [])})`);
        return schemaConstant(named(type));
      case 'array':
        return `z.array(${expression(type.items ?? unsupported(type))})`;
      case 'map':
        return `z.record(z.string(), ${expression(type.values ?? unsupported(type))})`;
      default:
        return expression(type.type);
    }
  };

  const record = (type: AvroComplex): string => {
    const fields = (type.fields ?? []).map((field) => {
      const comment = field.doc === undefined ? '' : `  /** ${field.doc} */\n`;
      return `${comment}  ${field.name}: ${expression(field.type)},`;
    });
    declare(named(type), type.doc, `z.strictObject({\n${fields.join('\n')}\n})`);
    return schemaConstant(named(type));
  };

  expression(schema);
  return declarations.join('\n');
}

function isUnion(type: AvroType): type is readonly AvroType[] {
  return Array.isArray(type);
}

function schemaConstant(name: string): string {
  return `${name.charAt(0).toLowerCase()}${name.slice(1)}Schema`;
}

function named(type: AvroComplex): string {
  return type.name ?? unsupported(type);
}

function unsupported(type: AvroType): never {
  throw new Error(`Avro construct not supported by the generator: ${JSON.stringify(type)}`);
}
