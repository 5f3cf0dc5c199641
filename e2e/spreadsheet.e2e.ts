import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BulkClient } from '@bulk/client';
import type { LogEntry } from '@bulk/contracts';
import { InstallationUnderTest, type StoredContact } from './installation-under-test.ts';
import { openSheet, savedSheet, type Row, type Sheet } from './spreadsheet.ts';

const SIZE = 1_000;
const FIELDS = ['expectedVersion', 'lastName', 'email', 'phone', 'city', 'score', 'tags'];

const idOf = (i: number): string => `sheet-${String(i).padStart(4, '0')}`;

/** Contacts with texts that a spreadsheet would run as formulas or turn into numbers. */
const BEFORE = new Map(
  Array.from({ length: SIZE }, (_, i) => [
    idOf(i),
    {
      lastName: i % 97 === 0 ? `=HYPERLINK("http://example.com/${i}")` : `Müller "${i}"; Sohn`,
      email: `person-${i}@example.com`,
      phone: `+49 228 ${i}`,
      city: 'Köln',
      score: i % 101,
      ...(i % 3 === 0 ? { tags: ['vip', `group ${i}`] } : {}),
    },
  ]),
);

/** What a person does to the rows: right changes, and three kinds of mistakes. */
const isEdited = (i: number): boolean => i % 10 === 0;
const hasWrongEmail = (i: number): boolean => i % 50 === 7;
const hasWrongId = (i: number): boolean => i % 100 === 13;
const isCutOff = (i: number): boolean => i % 100 === 21;
const isBroken = (i: number): boolean => hasWrongEmail(i) || hasWrongId(i) || isCutOff(i);
const positions = Array.from({ length: SIZE }, (_, i) => i);
const edited = positions.filter(isEdited);
const broken = positions.filter(isBroken);

let system: InstallationUnderTest;
let client: BulkClient;
beforeAll(async () => {
  system = await InstallationUnderTest.start();
  client = system.client();
  await system.givenContacts(BEFORE);
}, 120_000);
afterAll(() => system.dispose());

/** The file that the person edits, and what was sent of it. */
let sent: string;
let actionId: string;
let retryId: string;

describe('a person with a spreadsheet', () => {
  it('exports contacts, edits some, breaks some, and sees in a dry run what would change', async () => {
    const sheet = openSheet(
      await textOf(client.exportEntities('contact', { format: 'csv', fields: FIELDS })),
      ',',
    );
    expect(sheet.titles).toEqual(['id', ...FIELDS]);
    expect(sheet.rows.map(({ id }) => id)).toEqual([...BEFORE.keys()]);
    edit(sheet);
    sent = cutOff(savedSheet(sheet));
    const dryRunId = await run({ actionType: 'update', dryRun: true });
    expect(await client.getAction(dryRunId)).toMatchObject({
      total: SIZE,
      success: SIZE - broken.length,
      failure: broken.length,
      effects: { updated: edited.length, unchanged: SIZE - broken.length - edited.length },
    });
    const entries = await logsOf(dryRunId);
    expect(diffOf(entries)).toEqual(
      new Map(edited.map((i) => [idOf(i), { before: { city: 'Köln' }, after: { city: 'Bonn' } }])),
    );
    expect(
      new Map(entries.filter(({ code }) => code !== null).map(({ position, code }) => [position, code])),
    ).toEqual(new Map(broken.map((i) => [i, codeOf(i)])));
    expect(entries.find(({ position }) => position === 21)?.message).toMatch(/^line 23[:,]/u);
    expect(await stored()).toEqual(withVersions(1));
  }, 120_000);

  it('runs the import: the edited contacts change once, and no other', async () => {
    actionId = await run({ actionType: 'update', changes: 'values' });
    expect(await client.getAction(actionId)).toMatchObject({ status: 'completed', failure: broken.length });
    const after = withVersions(1);
    for (const i of edited)
      after.set(idOf(i), { version: 2, fields: { ...BEFORE.get(idOf(i)), city: 'Bonn' } });
    expect(await stored()).toEqual(after);
  }, 120_000);

  it('corrects the failures in the downloaded results and sends that very file again', async () => {
    const text = await textOf(client.results(actionId, { format: 'csv', include: 'input' }));
    const results = openSheet(text, ';');
    expect(results.titles).toEqual([
      'id',
      ...FIELDS,
      ...['_row', '_status', '_code', '_message', '_effect', '_version', '_id'],
    ]);
    expect(results.rows.map((row) => row['_row'])).toEqual(positions.map((i) => String(i + 1)));
    const asSent = openSheet(savedSheet({ titles: ['id', ...FIELDS], rows: results.rows }), ';');
    expect(asSent.rows.filter((_, i) => !isCutOff(i))).toEqual(sentRows().filter((_, i) => !isCutOff(i)));
    for (const row of results.rows) if (row['_status'] === 'failure') correct(row);
    const retry = await client.uploadCorrected(actionId, savedSheet(results));
    retryId = retry.actionId;
    expect(retry).toMatchObject({
      retryOf: actionId,
      total: broken.length,
      leftOut: { success: SIZE - broken.length, skipped: 0 },
    });
    await client.waitForCompletion(retryId, { timeoutMs: 60_000 });
    expect(await client.getAction(retryId)).toMatchObject({ success: broken.length, failure: 0 });
    expect((await client.getAction(actionId)).afterRetries).toMatchObject({ success: SIZE, failure: 0 });
    const contacts = await stored();
    for (const i of broken)
      expect(contacts.get(idOf(i))).toEqual({
        version: 2,
        fields: { ...BEFORE.get(idOf(i)), city: 'Bremen' },
      });
  }, 120_000);

  it('undoes the whole, and every contact is as it was at the start', async () => {
    for (const [id, changed] of [
      [retryId, broken],
      [actionId, edited],
    ] as const) {
      const undo = await client.undo(id);
      await client.waitForCompletion(undo.actionId, { timeoutMs: 60_000 });
      expect(await client.getAction(undo.actionId)).toMatchObject({
        undoOf: id,
        total: changed.length,
        success: changed.length,
        effects: { updated: changed.length },
      });
    }
    const after = withVersions(1);
    for (const i of [...edited, ...broken])
      after.set(idOf(i), { version: 3, fields: { ...BEFORE.get(idOf(i)) } });
    expect(await stored()).toEqual(after);
  }, 120_000);
});

/** Makes every right change, and the mistakes that a sheet can hold. */
function edit({ rows }: Sheet): void {
  for (const [i, row] of rows.entries()) {
    if (isEdited(i)) row['city'] = 'Bonn';
    if (hasWrongEmail(i)) row['email'] = 'nobody';
    if (hasWrongId(i)) row['id'] = `${idOf(i)}-gone`;
  }
}

/** Cuts the last cells off some rows, as a person does in a text editor. No cell of the file has a line break. */
function cutOff(text: string): string {
  const lines = text.split('\r\n');
  return lines
    .map((line, i) => (isCutOff(i - 1) ? line.split(';').slice(0, 2).join(';') : line))
    .join('\r\n');
}

function codeOf(i: number): string {
  if (hasWrongEmail(i)) return 'INVALID_ENTITY';
  return hasWrongId(i) ? 'ENTITY_NOT_FOUND' : 'INVALID_ROW';
}

/** Repairs a failed row by its number, and moves the contact to Bremen. */
function correct(row: Row): void {
  const i = Number(row['_row']) - 1;
  const { email, phone } = BEFORE.get(idOf(i))!;
  Object.assign(row, { id: idOf(i), email, phone: `'${phone}`, city: 'Bremen' });
}

/** Uploads the file, and waits for the end of the action. */
async function run(parameters: Parameters<BulkClient['uploadEntities']>[0]): Promise<string> {
  const action = await client.uploadEntities({ ...parameters, escaped: true }, sent, {
    contentType: 'text/csv',
  });
  await client.waitForCompletion(action.actionId, { timeoutMs: 60_000 });
  return action.actionId;
}

function sentRows(): Row[] {
  return openSheet(
    sent
      .split('\r\n')
      .map((line, i) => (isCutOff(i - 1) ? `${line}${';'.repeat(FIELDS.length - 1)}` : line))
      .join('\r\n'),
    ';',
  ).rows;
}

async function textOf(pieces: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const piece of pieces) text += piece;
  return text;
}

async function logsOf(id: string): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  for await (const entry of client.iterateLogs(id)) entries.push(entry);
  return entries;
}

/** Entity id → its values before and after. */
function diffOf(entries: readonly LogEntry[]): Map<string, unknown> {
  return new Map(entries.flatMap(({ entityId, changes }) => (changes === null ? [] : [[entityId, changes]])));
}

function stored(): Promise<Map<string, StoredContact>> {
  return system.storedContacts('sheet-');
}

/** The contacts of the start, with this version. */
function withVersions(version: number): Map<string, StoredContact> {
  return new Map([...BEFORE].map(([id, fields]) => [id, { version, fields }]));
}
