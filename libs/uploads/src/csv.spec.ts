import { describe, expect, it } from '@jest/globals';
import { ENTITY_TYPES } from '@bulk/action-types';
import { InvalidInputError } from '@bulk/domain';
import fc from 'fast-check';
import { csvEntities, type CsvOptions } from './csv.ts';

const contact = ENTITY_TYPES.find(({ name }) => name === 'contact')!;
const KNOWN = new Set(['expectedVersion', 'lastName', 'score', 'email', 'notes', 'city']);
const BOM = '\ufeff';

async function of(
  file: string | Buffer,
  options: Partial<CsvOptions> = {},
  sizes: readonly number[] = [7],
): Promise<unknown[]> {
  const bytes = (async function* () {
    const whole = Buffer.from(file);
    for (let from = 0, i = 0; from < whole.length; i += 1) {
      const to = from + sizes[i % sizes.length]!;
      yield await Promise.resolve(whole.subarray(from, to));
      from = to;
    }
  })();
  const found: unknown[] = [];
  const all: CsvOptions = {
    entityType: contact,
    maxRowBytes: 200,
    maxEmptyLines: 20,
    unknownColumns: (names: readonly string[]) => names.filter((name) => !KNOWN.has(name)),
    ...options,
  };
  for await (const entity of csvEntities(bytes, all)) found.push(entity);
  return found;
}

async function refusal(file: string | Buffer, options: Partial<CsvOptions> = {}): Promise<InvalidInputError> {
  const error = await of(file, options).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(InvalidInputError);
  return error as InvalidInputError;
}

describe('csvEntities', () => {
  it('reads columns that change the stored value, such as increment.score', async () => {
    const text = 'id;Increment.Score;addToList.tags;city\nc1;-5;"[""a"",""b""]";\nc2;;;Bonn\nc3;many;a;';
    const entities = await of(text, { unknownColumns: () => [] });
    expect(entities).toEqual([
      { id: 'c1', increment: { score: -5 }, addToList: { tags: ['a', 'b'] } },
      { id: 'c2', city: 'Bonn' },
      { id: 'c3', increment: { score: 'many' }, addToList: { tags: 'a' } },
    ]);
  });

  it('yields an entity for each row, typed by the fields', async () => {
    const text = `${BOM}id,ref,lastName,score,email\r\nc1,r1,"Miller, ""M""\nJr.",7,\r\n\r\nc2,,Ünal,,#N/A`;
    expect(await of(text)).toEqual([
      { id: 'c1', ref: 'r1', lastName: 'Miller, "M"\nJr.', score: 7 },
      { id: 'c2', lastName: 'Ünal', email: null },
    ]);
  });

  it('yields the same entities whatever ends its rows and however its bytes are split', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('\n', '\r\n', '\r'), { minLength: 4, maxLength: 4 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
        async ([a = '', b = '', c = '', d = ''], sizes) => {
          const text = `id,notes${a}c1,Ä${b}c2,"two\r\nlines"${c}c3,x${d}`;
          expect(await of(text, {}, sizes)).toEqual([
            { id: 'c1', notes: 'Ä' },
            { id: 'c2', notes: 'two\r\nlines' },
            { id: 'c3', notes: 'x' },
          ]);
        },
      ),
    );
  });

  it.each([
    ['a semicolon', 'id;score\nc1;3\n'],
    ['a tab', 'id\tscore\nc1\t3\n'],
    ['a pipe', 'id|score\nc1|3\n'],
    ['a line sep=;', 'sep=;\r\nid;score\r\nc1;3\r\n'],
    ['a line sep= with a tab', 'sep=\t\r\nid\tscore\r\nc1\t3\r\n'],
    ['a line sep=^', 'SEP=^\nid^score\nc1^3\n'],
    ['a line sep=; with a byte order mark before it', `${BOM}sep=;\nid;score\nc1;3\n`],
    ['a line sep=; with a byte order mark behind it', `sep=;\n${BOM}id;score\nc1;3\n`],
  ])('detects the delimiter when it is %s', async (_what, text) => {
    expect(await of(text)).toEqual([{ id: 'c1', score: 3 }]);
    expect(await of(text, {}, [1])).toEqual([{ id: 'c1', score: 3 }]);
  });

  it("uses the caller's delimiter, whatever the header looks like", async () => {
    expect(await of('sep=,\nid;city\nc1;"a,b"\n', { delimiter: ';' })).toEqual([{ id: 'c1', city: 'a,b' }]);
  });

  it.each([
    ['empty rows and rows of delimiters', 'id,city\n\nc1,A\n,\n\r\nc2,B\n,,\n'],
    ['a comma at the end of each row', 'id,city,\nc1,A,\nc2,B,\n'],
    ['a comma at the end of each row but the first', 'id,city\nc1,A,\nc2,B,\n'],
    ['a Ctrl-Z at the end', 'id,city\nc1,A\nc2,B\n\x1a'],
    ['a byte order mark in the middle, as of joined files', `${BOM}id,city\n${BOM}c1,A\n${BOM}c2,B\n`],
    ['names in another case and with spaces', ' ID ,City\nc1,A\nc2,B\n'],
    ['invisible characters in its names', '\u200bid,\u00a0city\nc1,A\nc2,B\n'],
    ['empty lines before its header', '\n\r\nid,city\nc1,A\nc2,B\n'],
  ])('reads a file with %s', async (_what, text) => {
    for (const size of [1, 2, 3, 100]) {
      expect(await of(text, {}, [size])).toEqual([
        { id: 'c1', city: 'A' },
        { id: 'c2', city: 'B' },
      ]);
    }
  });

  it.each(['', '\n', '\r\n\r\n', 'sep=;\n', '\ufeff', '\x1a'])('yields nothing for %j', async (text) => {
    expect(await of(text)).toEqual([]);
  });

  it('keeps a Ctrl-Z that is not at the end', async () => {
    expect(await of('id,city\nc1,A\x1a\nc2,\x1a\x1aB')).toEqual([
      { id: 'c1', city: 'A\x1a' },
      { id: 'c2', city: '\x1a\x1aB' },
    ]);
  });

  const TEXT = 'id,city\nc1,Łódź\nc2,東京\n';
  it.each([
    ['UTF-16, little end first', Buffer.from(`${BOM}${TEXT}`, 'utf16le')],
    ['UTF-16, big end first', Buffer.from(`${BOM}${TEXT}`, 'utf16le').swap16()],
    ['UTF-8', Buffer.from(`${BOM}${TEXT}`)],
  ])('detects %s by its byte order mark', async (_what, file) => {
    const expected = [
      { id: 'c1', city: 'Łódź' },
      { id: 'c2', city: '東京' },
    ];
    expect(await of(file, {}, [1])).toEqual(expected);
    expect(await of(file, { charset: 'windows-1252' })).toEqual(expected);
  });

  it.each([
    ['windows-1252', [0x80, 0x92, 0xfc], '€’ü'],
    ['ISO-8859-1', [0xe4, 0xf6, 0xfc], 'äöü'],
    ['macintosh', [0x8a, 0x9a], 'äö'],
    ['shift_jis', [0x93, 0x8c, 0x8b, 0x9e], '東京'],
  ])('decodes %s as declared, even when a character is split', async (charset, bytes, city) => {
    const file = Buffer.concat([Buffer.from('id,city\nc1,'), Buffer.from(bytes), Buffer.from('\n')]);
    expect(await of(file, { charset }, [1])).toEqual([{ id: 'c1', city }]);
    expect(await of(file, { charset }, [100])).toEqual([{ id: 'c1', city }]);
  });

  it.each([
    ['no column id', 'lastName\nA', 'INVALID_HEADER', 'id'],
    ['a column twice', 'id,score,Score\nc1,1,2', 'INVALID_HEADER', 'column 3 "Score"'],
    ['a column without name', 'id,,score\nc1,1,2', 'INVALID_HEADER', 'column 2'],
    ['an unknown column', 'id,Lastt name\nc1,A', 'INVALID_HEADER', 'column 2 "Lastt name"'],
    ['too few cells', 'id,lastName\nc1,A\nc2\n', 'INVALID_ROW', 'line 3'],
    ['too many cells', 'id,lastName\nc1,A,B\n', 'INVALID_ROW', 'line 2'],
    ['a cell below no name', 'id,lastName,\nc1,A,\nc2,A,B\n', 'INVALID_ROW', 'line 3'],
    ['no id in a row', 'id,lastName\nc1,A\n,B\n', 'INVALID_ROW', 'line 3: id'],
    ['#N/A as an id', 'id,lastName\n#N/A,B\n', 'INVALID_ROW', 'line 2: id'],
    ['an endless row', `id,notes\nc1,"${'x'.repeat(300)}`, 'ENTITY_TOO_LARGE', 'line 2: notes'],
    ['a quote that is not closed', 'id,notes\nc1,"a\nb"\nc2,"x\nc3,y\n', 'INVALID_ROW', 'line 4: notes'],
    ['a quote within a cell', 'id,lastName\nc1,A"B\n', 'INVALID_ROW', 'line 2: lastName'],
    ['a quote after a backslash', 'id,lastName\nc1,"A \\"B\\""\n', 'INVALID_ROW', 'line 2: lastName'],
    ['a zero byte', 'id,city\nc1,A\nc2,B\0\n', 'INVALID_ENCODING', 'line 3'],
    ['no row at all but faults', 'sep=;\r\nid;city\r\nc1;"a\r\nb"\r\nc2\r\n', 'INVALID_ROW', 'line 5'],
  ])('refuses a file with %s and names the place', async (_what, text, code, field) => {
    expect(await refusal(text)).toMatchObject({ code, issues: [{ field }] });
  });

  it('names every faulty row by its line in the file', async () => {
    const { issues, message } = await refusal('id,notes\r\nc1,"a\r\nb\r\nc"\r\nc2\r\n\r\nc3,x\rc4,y,z\n,q\n');
    expect(issues.map(({ field }) => field)).toEqual(['line 5', 'line 8', 'line 9: id']);
    expect(message).toBe('3 rows of the CSV are invalid');
    expect((await refusal(`id,city\n${'c1\n'.repeat(50)}`)).issues).toHaveLength(20);
  });

  it('yields nothing after its first faulty row', async () => {
    const seen: unknown[] = [];
    const file = (async function* () {
      yield await Promise.resolve(Buffer.from('id,city\nc1,A\nc2\nc3,C\n'));
    })();
    const read = async (): Promise<void> => {
      for await (const entity of csvEntities(file, {
        entityType: contact,
        maxRowBytes: 200,
        maxEmptyLines: 20,
        unknownColumns: () => [],
      }))
        seen.push(entity);
    };
    await expect(read()).rejects.toThrow('a row of the CSV is invalid');
    expect(seen).toEqual([{ id: 'c1', city: 'A' }]);
  });

  it('fails with the first fault when the input breaks after it', async () => {
    const file = (async function* () {
      yield await Promise.resolve(Buffer.from('id,city\nc1\nc2,B\n'));
      throw new Error('the connection is gone');
    })();
    const options = { entityType: contact, maxRowBytes: 200, maxEmptyLines: 20, unknownColumns: () => [] };
    await expect(csvEntities(file, options).next()).rejects.toMatchObject({ code: 'INVALID_ROW' });
  });

  it('names the lines, the byte and the likely cause if a file is not UTF-8', async () => {
    const file = Buffer.from('id,city\nkd-ä,Köln\nx,Bonn\nkd-ü,A\n', 'latin1');
    const { code, issues } = await refusal(file);
    expect(code).toBe('INVALID_ENCODING');
    expect(issues.map(({ field }) => field)).toEqual(['line 2', 'line 4']);
    expect(issues[0]?.message).toMatch(/^expected UTF-8, found the byte E4 after .*charset=windows-1252/u);
  });

  it('refuses a file that ends within a character', async () => {
    expect(await refusal(Buffer.from([...Buffer.from('id\nc'), 0xc3]))).toMatchObject({
      code: 'INVALID_ENCODING',
      issues: [{ field: 'line 2' }],
    });
  });

  it('shows invisible characters and suggests the intended name', async () => {
    const { issues } = await refusal('Record ID,La\u200bstname,E-mai\nc1,A,b\n');
    expect(issues).toEqual([
      {
        field: 'id',
        message: 'expected a column id, found "Record ID", "La<zero-width space>stname", "E-mai"',
      },
      { field: 'column 1 "Record ID"', message: 'unknown field; did you mean "id"?' },
      { field: 'column 3 "E-mai"', message: 'unknown field; did you mean "email"?' },
    ]);
  });

  it.each([
    ['before its header', '\n'.repeat(30) + 'id\nc1\n'],
    ['between its rows', `id\nc1\n${'\n'.repeat(30)}${' \n'.repeat(300)}`],
    ['of delimiters only', `id,city\nc1,A\n${',\n'.repeat(300)}`],
  ])('refuses a file with more empty lines than allowed %s', async (_what, text) => {
    expect(await refusal(text)).toMatchObject({
      code: 'INVALID_REQUEST',
      issues: [{ field: '(body)', message: 'expected at most 20 empty lines' }],
    });
  });

  it('refuses an unknown charset', async () => {
    expect(await refusal('id\nc1\n', { charset: 'klingon' })).toMatchObject({
      code: 'UNKNOWN_CHARSET',
      issues: [{ field: 'content-type' }],
    });
  });
});
