import { describe, expect, it } from '@jest/globals';
import { ENTITY_TYPES } from '@bulk/actions';
import { csvEntities } from './csv.ts';

const contact = ENTITY_TYPES.find(({ name }) => name === 'contact')!;
const KNOWN = new Set(['expectedVersion', 'lastName', 'score', 'email', 'notes']);

async function of(text: string, delimiter = ','): Promise<unknown[]> {
  const bytes = (async function* () {
    const whole = Buffer.from(text);
    for (let i = 0; i < whole.length; i += 7) yield await Promise.resolve(whole.subarray(i, i + 7));
  })();
  const found: unknown[] = [];
  const options = {
    delimiter,
    entityType: contact,
    maxRowLength: 200,
    unknownColumns: (names: readonly string[]) => names.filter((name) => !KNOWN.has(name)),
  };
  for await (const entity of csvEntities(bytes, options)) found.push(entity);
  return found;
}

describe('a CSV', () => {
  it('gives an entity for each row, typed by the fields', async () => {
    const text = '\ufeffid,ref,lastName,score,email\r\nc1,r1,"Miller, ""M""\nJr.",7,\r\n\r\nc2,,Ünal,,#N/A';
    expect(await of(text)).toEqual([
      { id: 'c1', ref: 'r1', lastName: 'Miller, "M"\nJr.', score: 7 },
      { id: 'c2', lastName: 'Ünal', email: null },
    ]);
  });

  it('may be separated by something else', async () => {
    expect(await of('id;score\nc1;3', ';')).toEqual([{ id: 'c1', score: 3 }]);
  });

  it.each([
    ['no column id', 'lastName\nA', 'INVALID_HEADER', 'id'],
    ['a column twice', 'id,score,score\nc1,1,2', 'INVALID_HEADER', 'column 3'],
    ['a column without name', 'id,,score\nc1,1,2', 'INVALID_HEADER', 'column 2'],
    ['an unknown column', 'id,lastname\nc1,A', 'INVALID_HEADER', 'lastname'],
    ['too few cells', 'id,lastName\nc1,A\nc2\n', 'INVALID_ROW', 'line 3'],
    ['too many cells', 'id,lastName\nc1,A,B\n', 'INVALID_ROW', 'line 2'],
    ['no id in a row', 'id,lastName\nc1,A\n,B\n', 'INVALID_ROW', 'line 3: id'],
    ['a quote that is not closed', `id,notes\nc1,"${'x'.repeat(300)}`, 'ENTITY_TOO_LARGE', 'line 2'],
    ['a quote within a cell', 'id,lastName\nc1,A"B\n', 'INVALID_ROW', 'line 2'],
  ])('with %s is refused, naming where', async (_what, text, code, field) => {
    await expect(of(text)).rejects.toMatchObject({ code, issues: [{ field }] });
  });
});
