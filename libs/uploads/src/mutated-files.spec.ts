import { describe, expect, it } from '@jest/globals';
import { ENTITY_TYPES } from '@bulk/action-types';
import { FaultyRow, inexactNumbers, InvalidInputError } from '@bulk/domain';
import { CSV_FILE, mutated, mutations, NDJSON_FILE } from '@bulk/testing/mutated-bytes';
import fc from 'fast-check';
import { CSV_NULL } from './formulas.ts';
import { csvEntities } from './csv.ts';
import { entityFault } from './entity.ts';
import { columnsOf, type HeaderOptions } from './header.ts';
import { ndjsonEntities } from './ndjson.ts';

/** The files are always the same, so a failure comes from the change under test. */
const RUNS = { seed: 13, numRuns: 1_000 };
const LIMITS = { maxLineBytes: 300, maxRowBytes: 300, maxEmptyLines: 5 };
const contact = ENTITY_TYPES.find(({ name }) => name === 'contact')!;
const KNOWN = new Set(['lastName', 'notes', 'city']);
const HEADER: HeaderOptions = {
  entityType: contact,
  unknownColumns: (names) => names.filter((name) => !KNOWN.has(name)),
};

async function* cut(file: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let from = 0; from < file.length; from += size)
    yield await Promise.resolve(file.subarray(from, from + size));
}

/** The entities of a file, or undefined if it was refused. Any other error fails the test. */
async function read(entities: AsyncIterable<unknown>): Promise<unknown[] | undefined> {
  const found: unknown[] = [];
  try {
    for await (const entity of entities) found.push(entity);
    return found;
  } catch (error) {
    if (error instanceof InvalidInputError) return undefined;
    throw error;
  }
}

/** The text of a file by the platform's strict decoders; undefined if the bytes are not text. */
function strictText(file: Buffer): string | undefined {
  const encoding = { fffe: 'utf-16le', feff: 'utf-16be' }[file.toString('hex', 0, 2)] ?? 'utf-8';
  try {
    let text = new TextDecoder(encoding, { fatal: true }).decode(file);
    while (text.endsWith('\u001a')) text = text.slice(0, -1);
    return text.includes('\0') ? undefined : text;
  } catch {
    return undefined;
  }
}

/** Rows of cells by RFC 4180, character by character; undefined if a quote is misplaced. */
function strictCsv(text: string): string[][] | undefined {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  for (;;) {
    let cell = '';
    if (text[at] === '"') {
      for (at += 1; text[at] !== '"' || text[at + 1] === '"'; at += 1) {
        if (at >= text.length) return undefined;
        if (text[at] === '"') at += 1;
        cell += text.charAt(at);
      }
      at += 1;
      if (at < text.length && !/[,\r\n]/u.test(text[at] ?? '')) return undefined;
    } else {
      for (; at < text.length && !/[,\r\n]/u.test(text[at] ?? ''); at += 1) {
        if (text[at] === '"') return undefined;
        cell += text.charAt(at);
      }
    }
    row.push(cell);
    if (text[at] !== ',') {
      rows.push(row);
      row = [];
      if (at >= text.length) return rows;
      at += text.startsWith('\r\n', at) ? 1 : 0;
    }
    at += 1;
  }
}

function strictCsvEntities(file: Buffer): unknown[] | undefined {
  const text = strictText(file);
  const rows =
    text === undefined ? undefined : strictCsv(text)?.filter((row) => row.some((cell) => cell !== ''));
  if (rows === undefined) return undefined;
  const [titles = [], ...records] = rows;
  const columns = columnsOf(titles, HEADER);
  return records.map((cells) =>
    Object.fromEntries(
      columns.flatMap((column, i): [string, unknown][] => {
        const cell = i === 0 ? cells[i]?.replace(/^\ufeff/u, '') : cells[i];
        if (column === undefined || column.name === null || (cell === '' && column.name !== 'id')) return [];
        return [[column.name, cell === CSV_NULL ? null : cell]];
      }),
    ),
  );
}

function strictLines(file: Buffer): string[] | undefined {
  return strictText(file)
    ?.split(/\r\n|\r|\n/u)
    .filter((line) => line.trim() !== '');
}

/** Checks a reading in which invalid rows fail against one in which they are refused. */
function checkFailing(failing: unknown[] | undefined, refusing: unknown[] | undefined): void {
  if (refusing !== undefined) expect(failing).toEqual(refusing);
  else if (failing !== undefined) expect(failing.some((row) => row instanceof FaultyRow)).toBe(true);
}

describe('a randomly changed file', () => {
  it('is refused with a coded error or read exactly, as CSV', async () => {
    expect(strictCsvEntities(CSV_FILE)).toHaveLength(3);
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(mutations, fc.integer({ min: 1, max: 40 }), async (changes, size) => {
        const file = mutated(CSV_FILE, changes);
        const options = { ...LIMITS, ...HEADER, delimiter: ',' };
        const found = await read(csvEntities(cut(file, size), { ...options, invalidRows: 'refuse' }));
        checkFailing(await read(csvEntities(cut(file, size), { ...options, invalidRows: 'fail' })), found);
        if (found === undefined) return;
        accepted += 1;
        expect(found).toEqual(strictCsvEntities(file));
        for (const entity of found) expect(entityFault(entity)).toBeUndefined();
      }),
      RUNS,
    );
    expect(accepted).toBeGreaterThan(RUNS.numRuns / 40);
  });

  it('is refused with a coded error or read exactly, as NDJSON', async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(mutations, fc.integer({ min: 1, max: 40 }), async (changes, size) => {
        const file = mutated(NDJSON_FILE, changes);
        const found = await read(ndjsonEntities(cut(file, size), { ...LIMITS, invalidRows: 'refuse' }));
        checkFailing(await read(ndjsonEntities(cut(file, size), { ...LIMITS, invalidRows: 'fail' })), found);
        if (found === undefined) return;
        accepted += 1;
        const lines = strictLines(file);
        expect(found).toHaveLength(lines?.length ?? -1);
        for (const [i, entity] of found.entries()) {
          expect(entityFault(entity)).toBeUndefined();
          const line = lines?.[i] ?? '';
          // A number that a double cannot hold is marked; JSON.parse alone would change it.
          const marked = inexactNumbers(entity).map(({ message }) => message.split('found ')[1] ?? '');
          for (const number of marked) expect(line).toContain(number);
          if (marked.length === 0) expect(JSON.stringify(entity)).toBe(JSON.stringify(JSON.parse(line)));
        }
      }),
      RUNS,
    );
    expect(accepted).toBeGreaterThan(RUNS.numRuns / 40);
  });
});
