import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { InvalidRows } from '@bulk/contracts';
import { FaultyRow } from '@bulk/domain';
import { ndjsonEntities } from './ndjson.ts';

const MAX_EMPTY = 1_000;

/** Text as it may arrive over a connection: cut anywhere, also within a character. */
async function* cut(text: string, sizes: readonly number[]): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  let from = 0;
  for (let i = 0; from < bytes.length; i += 1) {
    const to = from + (sizes[i % sizes.length] ?? 1);
    yield await Promise.resolve(bytes.subarray(from, to));
    from = to;
  }
}

async function all(
  bytes: AsyncIterable<Buffer>,
  maxLineBytes = 1_000,
  invalidRows: InvalidRows = 'fail',
): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const entity of ndjsonEntities(bytes, { maxLineBytes, maxEmptyLines: MAX_EMPTY, invalidRows }))
    found.push(entity);
  return found;
}
async function* whole(text: string | Buffer): AsyncGenerator<Buffer> {
  yield await Promise.resolve(Buffer.from(text));
}
const of = (text: string | Buffer): Promise<unknown[]> => all(whole(text));
const refusing = (text: string | Buffer, maxLineBytes?: number): Promise<unknown[]> =>
  all(whole(text), maxLineBytes, 'refuse');

describe('ndjsonEntities', () => {
  it('yields the same entities however the bytes are split', async () => {
    const entity = fc.record({
      id: fc.string({ minLength: 1, unit: 'grapheme' }),
      note: fc.string({ unit: 'grapheme' }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(entity, { minLength: 1, maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
        fc.constantFrom('\n', '\r\n', '\r', '\n\n', '\r\n\r'),
        fc.boolean(),
        async (entities, sizes, newline, ends) => {
          const text = entities.map((one) => JSON.stringify(one)).join(newline) + (ends ? newline : '');
          expect(await all(cut(text, sizes), 100_000)).toEqual(entities);
        },
      ),
    );
  });

  it('accepts a byte order mark and keeps a field called __proto__', async () => {
    const [entity] = await of('\ufeff{"id":"a","__proto__":1}\n');
    expect(Object.keys(entity as object)).toEqual(['id', '__proto__']);
  });

  it('keeps the text of a number that a double cannot hold, and every other number unchanged', async () => {
    const line =
      '{"id":"a","n":[9007199254740993,1e400,0.1234567890123456789,0.1,-0,3.0,1e3,9007199254740992]}';
    expect(await of(line)).toEqual([
      {
        id: 'a',
        n: [
          { $inexactNumber: '9007199254740993' },
          { $inexactNumber: '1e400' },
          { $inexactNumber: '0.1234567890123456789' },
          0.1,
          -0,
          3,
          1000,
          9007199254740992,
        ],
      },
    ]);
  });

  it('accepts `"ref": null`, which results.ndjson writes', async () => {
    expect(await of('{"id":"a","ref":null}')).toEqual([{ id: 'a', ref: null }]);
  });

  it('fails each invalid line with its number, its key and the reason, and yields the others', async () => {
    const lines = [
      '{"id":"a"}',
      '{"id":',
      '[1]',
      '{"id":"","ref":"r4"}',
      '{"id":"e","ref":7}',
      '{"id":"f","id":"g"}',
      `{"id":"${'x'.repeat(300)}"}`,
      `{"id":"h","n":[${'1e999,'.repeat(10)}1]}`,
      `{"id":"i","n":${'['.repeat(63)}1e999${']'.repeat(63)}}`,
      '',
      '{"id":"last"}',
    ];
    const invalid = (message: RegExp, known: { id?: string; ref?: string } = {}): FaultyRow =>
      new FaultyRow(
        { code: 'INVALID_ROW', message: expect.stringMatching(message) as unknown as string },
        known,
      );
    const found = [
      { id: 'a' },
      invalid(/^line 2: expected one JSON object per line, found an end/),
      invalid(/^line 3: expected an object with an id/),
      invalid(/^line 4, key "id": expected a non-empty string$/, { ref: 'r4' }),
      invalid(/^line 5, key "ref": .*string/, { id: 'e' }),
      invalid(/^line 6: .*key "id" twice/),
      invalid(/^line 7: expected at most 200 bytes$/),
      invalid(/^line 8: expected an entity of at most 200 bytes of JSON, found \d+$/, { id: 'h' }),
      invalid(/^line 9: expected at most 64 levels of nesting$/, { id: 'i' }),
      { id: 'last' },
    ];
    for (const sizes of [[1], [7], [10_000]])
      expect(await all(cut(lines.join('\n'), sizes), 200)).toEqual(found);
  });

  it.each(['fail', 'refuse'] as const)(
    'refuses the beginning of a download with invalidRows=%s',
    async (mode) => {
      const text = '{"id":"c1"}\n{"status":"incomplete","code":"FILTER_TIMEOUT","message":"late"}\n';
      await expect(all(whole(text), 1_000, mode)).rejects.toMatchObject({
        code: 'INVALID_ROW',
        issues: [{ field: 'line 2', message: expect.stringContaining('the download of the file broke off') }],
      });
      const entity = { id: 'c1', status: 'incomplete', code: 'FILTER_TIMEOUT', message: 'late' };
      expect(await of(JSON.stringify(entity))).toEqual([entity]);
    },
  );

  it('names at most 20 faulty lines', async () => {
    const lines = Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? `{"id":"${i}"}` : 'x'));
    await expect(refusing(lines.join('\n'))).rejects.toMatchObject({
      message: '15 rows of the NDJSON are invalid',
      issues: Array.from({ length: 15 }, (_, i) => ({ field: `line ${2 * i + 2}` })),
    });
    await expect(refusing('x\n'.repeat(30))).rejects.toMatchObject({ issues: { length: 20 } });
  });

  it("says where a line stops being JSON, without the parser's message", async () => {
    await expect(refusing('{"id":"a" "b":1}')).rejects.toMatchObject({
      issues: [
        {
          message:
            'expected one JSON object per line, found what is not JSON at character 11: "{"id":"a" "b":1}"',
        },
      ],
    });
  });

  it.each([
    ['a line that is not JSON', '{"id":"a"}\n{"id":\n', 'INVALID_ROW', 'line 2'],
    ['a list', '[1]\n', 'INVALID_ROW', 'line 1'],
    ['no id', '{"id":"a"}\n\n{"name":"b"}', 'INVALID_ROW', 'line 3: id'],
    ['a number', '7', 'INVALID_ROW', 'line 1'],
    ['broken UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'INVALID_ENCODING', 'line 1'],
    ['a key twice', '{"id":"a","x":{"y":1,"\\u0079":2}}', 'INVALID_ROW', 'line 1'],

    ['a long line', `{"id":"a"}\n{"id":"${'x'.repeat(200)}"}\n`, 'ENTITY_TOO_LARGE', 'line 2'],
    ['a long line without end', `{"id":"a"}\n{"id":"${'x'.repeat(200)}`, 'ENTITY_TOO_LARGE', 'line 2'],
  ])('refuses %s, if invalid rows are refused, and names the line', async (_what, text, code, field) => {
    await expect(refusing(text, 100)).rejects.toMatchObject({ code, issues: [{ field }] });
  });
});
