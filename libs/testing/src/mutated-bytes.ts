import fc from 'fast-check';

/** A CSV file with every notable part: quotes, each line ending, characters beyond ASCII, empty and null cells. */
export const CSV_FILE = Buffer.from(
  'id,ref,lastName,notes,city\r\nc1,r 1,Müller,"a ""quoted"", cell",東京\nc2,,"two\r\nlines",,Łódź\rc3,r3,#N/A,"",x\n',
);

/** An NDJSON file with every notable part: escapes, numbers, nesting, an empty line, two line endings. */
export const NDJSON_FILE = Buffer.from(
  '{"id":"c1","lastName":"Müller","score":12}\r\n{"id":"c2","ref":null,"notes":"a \\"b\\" \\u00e4","tags":["x","y"]}\n\n{"id":"c3","score":-1.5e3,"x":{"y":[{}]}}\n',
);

/** Bytes that readers of text often handle wrongly. */
const SHARP = [
  ...Array.from('",;\t\r\n\\ {}[]:-+.eE019nu#/'),
  '\r\n',
  '""',
  '\\u',
  '__proto__',
  '1e999',
  '9007199254740993',
  '\u2028',
  '\u200b',
  '\ufeff',
  '\u00a0',
  '\0',
  '\u001a',
]
  .map((text) => Buffer.from(text))
  .concat([[0xff], [0xfe], [0xe4], [0xc3], [0xed, 0xa0, 0x80]].map((bytes) => Buffer.from(bytes)));

/**
 * One change of a file: some bytes are removed, others are inserted. Positions beyond its end count from its start
 * again.
 */
export interface Mutation {
  readonly at: number;
  readonly removed: number;
  readonly inserted: Buffer;
  /** Start of a piece of the file that is inserted as well; negative for none. */
  readonly copied: number;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.nat(1_000),
  removed: fc.oneof(fc.constant(0), fc.nat(3), fc.nat(60)),
  inserted: fc.oneof(
    fc.constantFrom(...SHARP),
    fc.constant(Buffer.alloc(0)),
    fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
  ),
  copied: fc.oneof(fc.constant(-1), fc.nat(1_000)),
});

/** Generates one to four mutations. */
export const mutations: fc.Arbitrary<Mutation[]> = fc.array(mutation, { minLength: 1, maxLength: 4 });

/** Applies mutations to a file, in order. */
export function mutated(file: Buffer, changes: readonly Mutation[]): Buffer {
  return changes.reduce((bytes, { at, removed, inserted, copied }) => {
    const from = at % (bytes.length + 1);
    const piece = copied < 0 ? Buffer.alloc(0) : bytes.subarray(copied % (bytes.length + 1)).subarray(0, 40);
    return Buffer.concat([bytes.subarray(0, from), inserted, piece, bytes.subarray(from + removed)]);
  }, file);
}
