import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BY_ID, rowSchema, type Fields, type IncomingEntity } from '@bulk/domain';
import { workspaceRoot } from '@bulk/local-stack';
import { between, pick, randomFor } from '../../operator/seed/random.ts';
import { SAMPLE_CONTACTS } from '../../operator/seed/records.ts';

/** Number of rows of the file. */
export const ACTION_ROWS = 10_000;
/**
 * Places within each hundred rows. So 10,000 rows have 100 unknown ids, 100 invalid rows and 100
 * duplicates.
 */
const UNKNOWN_AT = 37;
const INVALID_AT = 63;
const DUPLICATE_AT = 89;
const FIRST_UNKNOWN = 1_000_001;

/**
 * Path of the file. git ignores it, because it is generated again, always with the same content.
 */
export const ACTION_FILE = join(workspaceRoot, '.stack', 'demo', 'contact-updates.ndjson');

/**
 * Writes the file of 10,000 contact updates: one JSON object per line, as a CRM would export them.
 */
export function writeActionFile(path: string, rows = ACTION_ROWS): void {
  const text = actionRows(rows)
    .map((row) => `${JSON.stringify(row)}\n`)
    .join('');
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, text);
  renameSync(draft, path);
}

/** @throws ZodError or SyntaxError that names the line. */
export function readActionFile(path: string): IncomingEntity[] {
  return readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => rowSchema(BY_ID).parse(JSON.parse(line)));
}

/**
 * Builds the rows: valid ones, and among them unknown ids, invalid rows and duplicates of earlier
 * rows.
 */
export function actionRows(rows: number): IncomingEntity[] {
  const made: IncomingEntity[] = [];
  let nextContact = 1;
  for (let i = 0; i < rows; i += 1) {
    const random = randomFor(`row ${i}`);
    const change = {
      ref: `row ${i + 1}`,
      ownerId: `user-${between(random, 1, 25)}`,
      score: between(random, 0, 100),
    };
    const place = i % 100;
    const earlier = made[i - between(random, 1, DUPLICATE_AT)];
    if (place === DUPLICATE_AT && earlier !== undefined) made.push({ id: earlier.id, ...change });
    else if (place === UNKNOWN_AT) made.push({ id: SAMPLE_CONTACTS.idOf(FIRST_UNKNOWN + i), ...change });
    else {
      const id = SAMPLE_CONTACTS.idOf(nextContact);
      nextContact += 1;
      made.push({ id, ...change, ...(place === INVALID_AT ? pick(random, FAULTS) : {}) });
    }
  }
  return made;
}

/** Faults of invalid rows: out of range, of the wrong type, none of the choices, unknown. */
const FAULTS: readonly Fields[] = [
  { score: 101 },
  { score: 'high' },
  { status: 'sleeping' },
  { shoeSize: 44 },
  { email: 'nobody at example' },
];
