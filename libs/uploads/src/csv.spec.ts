import { describe, expect, it } from '@jest/globals';
import { ENTITY_TYPES } from '@bulk/action-types';
import { FaultyRow, InvalidInputError, type IncomingRow } from '@bulk/domain';
import fc from 'fast-check';
import { csvEntities, type CsvOptions } from './csv.ts';
import { sourceOf } from './source.ts';

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
    invalidRows: 'fail',
    unknownColumns: (names: readonly string[]) => names.filter((name) => !KNOWN.has(name)),
    ...options,
  };
  for await (const entity of csvEntities(bytes, all)) found.push(entity);
  return found;
}

async function refusal(file: string | Buffer, options: Partial<CsvOptions> = {}): Promise<InvalidInputError> {
  const error = await of(file, { invalidRows: 'refuse', ...options }).catch((caught: unknown) => caught);
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

  it('finds a delimiter that is named as likely, and reads a larger row for the sake of its other columns', async () => {
    const text = `id^score^_message\nc1^3^${'x'.repeat(200)}\n${'i'.repeat(201)}^3^\n`;
    expect(await of(text, { likelyDelimiter: '^', extraRowBytes: 100, invalidRows: 'fail' })).toEqual([
      { id: 'c1', score: 3 },
      INVALID(/entity of at most 200 bytes/, { id: 'i'.repeat(201) }),
    ]);
    expect(await of('id;score\nc1;3\n', { likelyDelimiter: '"' })).toEqual([{ id: 'c1', score: 3 }]);
  });

  it('does not pay for the columns of its header with each row', async () => {
    const header = `id,_row${',_'.repeat(4_000)}`;
    const rows = 20_000;
    const startedAt = process.cpuUsage();
    const options = { keepSource: true, maxRowBytes: 20_000 };
    const found = await of(`${header}\n${'x\n'.repeat(rows)}`, options, [65_536]);
    const { user } = process.cpuUsage(startedAt);
    expect(found).toHaveLength(rows);
    // Before, such a row took more than a millisecond.
    expect(user / rows).toBeLessThan(200);
    expect(await refusal(`id${',_'.repeat(4_096)}\nc1`, options)).toMatchObject({
      code: 'INVALID_HEADER',
      issues: [{ field: 'column 4097 "_"', message: 'expected at most 4096 columns, found 4097' }],
    });
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

  const INVALID = (message: string | RegExp, known: { id?: string; ref?: string } = {}): FaultyRow =>
    new FaultyRow(
      { code: 'INVALID_ROW', message: expect.stringMatching(message) as unknown as string },
      known,
    );

  it('fails each invalid row with its line, its column and the reason, and yields the others', async () => {
    const rows = [
      'Id,Ref,notes,score',
      'c1,r1,fine,1',
      'c2,r2',
      'c3,r3,a,1,b',
      ',r4,a,1',
      '#N/A,r5,a,1',
      'c6,r6,5" pipe,1',
      'c7,r7,"two',
      `lines",${'['.repeat(70)}`,
      `c8,${'r'.repeat(150)},${'x'.repeat(300)},1`,
      `${'i'.repeat(180)},,x,`,
      'c11,r11,last,2',
    ];
    const found = [
      { id: 'c1', ref: 'r1', notes: 'fine', score: 1 },
      INVALID(/^line 3: expected 4 cells, found 2$/),
      INVALID(/^line 4: expected 4 cells, found 5; cell 5 has no column: "b"$/),
      INVALID(/^line 5, column "Id": expected a non-empty string$/, { ref: 'r4' }),
      INVALID(/^line 6, column "Id": expected a non-empty string$/, { ref: 'r5' }),
      INVALID(/^line 7, column "notes": found a quote within a cell/, { id: 'c6', ref: 'r6' }),
      { id: 'c7', ref: 'r7', notes: 'two\nlines', score: '['.repeat(70) },
      INVALID(/^line 10, column "notes": expected a row of at most 200 bytes/, {
        id: 'c8',
        ref: 'r'.repeat(150),
      }),
      INVALID(/^line 11: expected an entity of at most 200 bytes of JSON, found 201$/, {
        id: 'i'.repeat(180),
      }),
      { id: 'c11', ref: 'r11', notes: 'last', score: 2 },
    ];
    for (const size of [1, 7, 10_000]) expect(await of(rows.join('\n'), {}, [size])).toEqual(found);
  });

  it.each([
    ['has text after a closing quote', 'c2,"x\nc3,"y"\n', 'INVALID_ROW', 'line 3: notes'],
    ['has a quote that is not closed', 'c2,"x\nc3,y\n', 'INVALID_ROW', 'line 3: notes'],
    ['ends within a huge cell', `c2,"${'x'.repeat(300)}`, 'INVALID_ROW', 'line 3: notes'],
    [
      'has a huge row with a line break in it',
      `c2,"${'x\n'.repeat(150)}"\nc3,y`,
      'ENTITY_TOO_LARGE',
      'line 3: notes',
    ],
  ])('refuses a file whose rows cannot be separated because it %s', async (_what, rows, code, field) => {
    for (const size of [1, 7, 10_000]) {
      const error = await of(`id,notes\nc1,A\n${rows}`, {}, [size]).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code, issues: [{ field }] });
    }
  });

  it('maps columns by their titles, and by what is left of them without case, spaces and hyphens', async () => {
    const columns = {
      'Key ': 'id',
      'E-Mail': 'email',
      EMAIL: null,
      mail: null,
      _score: 'score',
      notes: 'notes',
    };
    const text = 'key;E-Mail;e mail;Mail;_score;Notes;City;\nc1;a;b;c;7;n;Bonn;\n';
    expect(await of(text, { columns })).toEqual([
      { id: 'c1', email: 'a', score: 7, notes: 'n', city: 'Bonn' },
    ]);
    expect(await of('Key|x y\nc1|a,b\n', { columns: { Key: 'id', 'X-Y': 'city' } })).toEqual([
      { id: 'c1', city: 'a,b' },
    ]);
  });

  it('names each column of the map that the file lacks, each unknown target and each field with two columns', async () => {
    const columns = { Surnam: 'lastName', city: 'town', Mail: 'email', Notes: 'increment.score' };
    const { code, issues } = await refusal('id,Surname,city,Mail,email,Notes\nc1,A,B,C,D,E\n', { columns });
    expect(code).toBe('INVALID_HEADER');
    expect(issues).toEqual([
      {
        field: 'columns["Surnam"]',
        message:
          'expected the title of a column, found "id", "Surname", "city", "Mail", "email", "Notes"; did you mean "Surname"?',
      },
      {
        field: 'columns["city"]',
        message:
          'expected the name of a field, id, ref, expectedVersion, or null, found "town"; did you mean "tags"?',
      },
      { field: 'column 5 "email"', message: 'expected each column once; column 4 is "email" already' },
      { field: 'column 2 "Surname"', message: expect.stringContaining('unknown field') as unknown as string },
      { field: 'column 3 "city"', message: 'this action cannot use "town"' },
      { field: 'column 6 "Notes"', message: 'this action cannot use "increment.score"' },
    ]);
  });

  it('reads no column of our results by a map, neither by its title nor without the underscore', async () => {
    const columns = { ID: 'id', Message: 'notes', _version: null };
    const text = 'id,message,_message,_id,_version\nc1,mine,ours,c9,7\n';
    expect(await of(text, { columns })).toEqual([{ id: 'c1', notes: 'mine' }]);
    const { code, issues } = await refusal(text, { columns: { ' _id ': 'id', _code: 'city' } });
    expect([code, issues.slice(0, 2).map(({ field }) => field)]).toEqual([
      'INVALID_HEADER',
      ['columns[" _id "]', 'columns["_code"]'],
    ]);
  });

  it('ignores columns whose title starts with an underscore', async () => {
    expect(await of('_row,id,_status,score,_x\n1,c1,"fail""ed",3,\n')).toEqual([{ id: 'c1', score: 3 }]);
  });

  it('keeps each row and the header as they were sent, if asked', async () => {
    const rows = ['c1; A ;failure;7', 'c2', '"c3";"A\r\n""b""";"x";8', `c4;${'y'.repeat(300)};;9`];
    const text = `${BOM}"id";notes;_status;_row\r\n${rows.join('\r\n')}`;
    const found = await of(text, { keepSource: true }, [3]);
    const file = { header: '"id";notes;_status;_row', delimiter: ';' };
    const own = (_status: string, _row: string) => new Map(Object.entries({ _status, _row }));
    expect(found.map((row) => sourceOf(row as IncomingRow))).toEqual([
      { text: rows[0], line: 2, own: own('failure', '7'), isAligned: true, file },
      { text: rows[1], line: 3, own: own('', ''), isAligned: false, file },
      { text: rows[2], line: 4, own: own('x', '8'), isAligned: true, file },
      { text: null, line: 6, own: own('', ''), isAligned: false, file },
    ]);
    expect(found[2]).toMatchObject({ id: 'c3', notes: 'A\r\n"b"' });
    expect(JSON.stringify(found[0])).toBe('{"id":"c1","notes":" A "}');
  });

  it.each([
    ['c1,7,failure,x', true],
    ['c1,7,failure', true],
    ['c1,7,', true],
    ['c1,7', false],
    ['7,failure,x', false],
    ['c1,8,7,failure,x', false],
    ['c1,7,failure,x,', false],
  ])('says whether the cells of %s are those of their columns', async (row, isAligned) => {
    const [found] = await of(`id,_row,_status,score\n${row}\n`, { keepSource: true });
    expect(sourceOf(found as IncomingRow)?.isAligned).toBe(isAligned);
  });

  it('names every faulty row by its line in the file', async () => {
    const { issues, message } = await refusal('id,notes\r\nc1,"a\r\nb\r\nc"\r\nc2\r\n\r\nc3,x\rc4,y,z\n,q\n');
    expect(issues.map(({ field }) => field)).toEqual(['line 5', 'line 8', 'line 9: id']);
    expect(message).toBe('3 rows of the CSV are invalid');
    expect((await refusal(`id,city\n${'c1\n'.repeat(50)}`)).issues).toHaveLength(20);
  });

  it('yields nothing after its first faulty row if invalid rows are refused', async () => {
    const seen: unknown[] = [];
    const file = (async function* () {
      yield await Promise.resolve(Buffer.from('id,city\nc1,A\nc2\nc3,C\n'));
    })();
    const read = async (): Promise<void> => {
      for await (const entity of csvEntities(file, {
        entityType: contact,
        maxRowBytes: 200,
        maxEmptyLines: 20,
        invalidRows: 'refuse',
        unknownColumns: () => [],
      }))
        seen.push(entity);
    };
    await expect(read()).rejects.toThrow('a row of the CSV is invalid');
    expect(seen).toEqual([{ id: 'c1', city: 'A' }]);
  });

  it.each([
    ['an export of records', 'id,lastName\nc1,Ada\n,,incomplete,SERVICE_STOPPING,it stops\n', 3],
    [
      'an export that a spreadsheet saved',
      'id;lastName;;;\nc1;Ada;;;\n;;incomplete;FILTER_TIMEOUT;late\n',
      3,
    ],
    ['results', 'position,id,ref,status,code,message\n0,c1,,failure,X,y\n,,,incomplete,INTERNAL,x\n', 3],
    [
      'results with what was sent',
      'id,lastName,_row,_status,_code,_message,_id\n,,,incomplete,INTERNAL,x,\n',
      2,
    ],
  ])('refuses a file that is the beginning of %s, also if invalid rows fail', async (_, text, line) => {
    const options = { unknownColumns: () => [] };
    for (const invalidRows of ['fail', 'refuse'] as const) {
      const { code, issues } = await refusal(text, { ...options, invalidRows });
      const message = expect.stringContaining('the download of the file broke off');
      expect({ code, issues }).toEqual({ code: 'INVALID_ROW', issues: [{ field: `line ${line}`, message }] });
    }
    expect(await of(text.replace(/incomplete/u, 'complete'), options)).toHaveLength(line - 1);
  });

  it('clears a field by #N/A, and takes an escaped one for a text', async () => {
    const text = "id,city,lastName\nc1,#N/A,'#N/A\n";
    const escaped = await of(text, { escaped: true });
    expect(escaped).toEqual([{ id: 'c1', city: null, lastName: '#N/A' }]);
    expect(await of(text)).toEqual([{ id: 'c1', city: null, lastName: "'#N/A" }]);
  });

  it('fails with the first fault when the input breaks after it', async () => {
    const file = (async function* () {
      yield await Promise.resolve(Buffer.from('id,city\nc1\nc2,B\n'));
      throw new Error('the connection is gone');
    })();
    const options = { entityType: contact, maxRowBytes: 200, maxEmptyLines: 20, unknownColumns: () => [] };
    await expect(csvEntities(file, { ...options, invalidRows: 'refuse' }).next()).rejects.toMatchObject({
      code: 'INVALID_ROW',
    });
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
