import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { BodyReader } from './body-reader.ts';
import { Budget } from '../http/budget.ts';
import { readJsonBody, type JsonBody } from './json-body.ts';

const budget = new Budget({ total: 10_000_000, perAccount: 10_000_000, unit: 'bytes' });

function read(body: string | Buffer, chunkBytes = 7, limits: object = {}): Promise<JsonBody> {
  const bytes = Buffer.from(body);
  const reader = {
    async *bytes(): AsyncGenerator<Buffer> {
      for (let i = 0; i < bytes.length; i += chunkBytes) {
        yield await Promise.resolve(bytes.subarray(i, i + chunkBytes));
      }
    },
  } as Partial<BodyReader> as BodyReader;
  const options = { maxDepth: 8, maxElements: 20, maxEntityBytes: 1_000, ...limits };
  return readJsonBody(reader, budget.open('a'), options);
}

async function whole(body: string, chunkBytes?: number): Promise<unknown> {
  const { rest, entities } = await read(body, chunkBytes);
  return entities === undefined ? rest : { ...(rest as object), entities: [...entities] };
}

/** A JSON text with any white space between its tokens. */
const spaced = fc
  .tuple(
    fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })),
    fc.array(fc.jsonValue({ maxDepth: 3 })),
    fc.boolean(),
  )
  .map(([others, entities, pretty]) =>
    JSON.stringify({ ...others, entities }, null, pretty ? '\t' : undefined),
  );

describe('readJsonBody', () => {
  it('returns what JSON.parse returns however the body is split', async () => {
    await fc.assert(
      fc.asyncProperty(spaced, fc.integer({ min: 1, max: 50 }), async (text, chunkBytes) => {
        expect(await whole(text, chunkBytes)).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each([
    '',
    '{}',
    '[]',
    '[{"entities":[1]}]',
    '{"entities":7}',
    '{"entities":[ ]}',
    '{ "entities" : [ 1 , "]" , "\\"," ] , "a" : {"entities":[2]} }',
    '{"\\u0065ntities":[1,2]}',
    '\ufeff{"entities":[{"id":"\u00e4\u{1f600}"}]}',
    '{"a":"entities","b":[1]}',
  ])('reads %j', async (text) => {
    const plain = text === '' ? '{}' : text.replace('\ufeff', '');
    for (const chunkBytes of [1, 1_000]) expect(await whole(text, chunkBytes)).toEqual(JSON.parse(plain));
  });

  it.each([
    '"text"',
    '7',
    '{',
    '{"entities":[1,]}',
    '{"entities":[,1]}',
    '{"entities":[1 2]}',
    '{"entities":[1',
    '{"entities":[1}',
    '{"entities":[1]',
    '{"entities":[1]}}',
    '{"entities":[1]]',
    '{"entities" [1]}',
    '{"entities":["]}',
    '}',
    '{"entities":[1]},{}',
    '{"entities":[{"a":1]}',
  ])('refuses %j as invalid JSON', async (text) => {
    await expect(whole(text)).rejects.toMatchObject({ code: 'INVALID_JSON' });
    expect(() => void JSON.parse(text === '"text"' || text === '7' ? '{' : text)).toThrow();
  });

  it('refuses bytes that are not UTF-8', async () => {
    await expect(read(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).rejects.toMatchObject({
      code: 'INVALID_JSON',
    });
  });

  it('refuses a repeated key, too many entities, deep nesting and a large remainder while it reads', async () => {
    const endless = (head: string, piece: string): Buffer => Buffer.from(head + piece.repeat(500_000));
    const cases: [Buffer, object][] = [
      [Buffer.from('{"dryRun":true,"dryRun":false}'), { issues: [{ field: 'dryRun' }] }],
      [endless('{"entities":[', '{},'), { issues: [{ field: 'entities' }] }],
      [endless('{"a":', '['), { issues: [{ field: '(body)' }] }],
      [endless('{"config":[', '{},'), { code: 'PAYLOAD_TOO_LARGE' }],
    ];
    for (const [body, refusal] of cases) await expect(read(body, 16_384)).rejects.toMatchObject(refusal);
  });

  it('refuses an entity far above its limit before parsing it', async () => {
    const { entities } = await read(`{"entities":[{"id":"a","x":[${'1,'.repeat(4_000)}1]}]}`, 1_000);
    expect(() => [...entities!]).toThrow(expect.objectContaining({ code: 'ENTITY_TOO_LARGE' }));
  });

  it('charges its share for what it holds and stops when there is no room', async () => {
    const small = new Budget({ total: 100, perAccount: 100, unit: 'bytes' });
    const reader = {
      async *bytes(): AsyncGenerator<Buffer> {
        for (;;) yield await Promise.resolve(Buffer.from('{"a":"'.padEnd(30, 'x')));
      },
    } as Partial<BodyReader> as BodyReader;
    const options = { maxDepth: 8, maxElements: 20, maxEntityBytes: 1_000 };
    await expect(readJsonBody(reader, small.open(undefined), options)).rejects.toMatchObject({ status: 503 });
  });
});
