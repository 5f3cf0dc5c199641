import { toEntity, type Fields, type IncomingEntity } from '@bulk/domain';

/** The expected result of an action, derived from the file alone. */
export interface Expectation {
  readonly total: number;
  readonly success: number;
  readonly failure: number;
  readonly skipped: number;
  readonly codes: Readonly<Record<string, number>>;
  /** Contact id → the fields it must carry afterwards. */
  readonly changed: ReadonlyMap<string, Fields>;
  /** Contacts that are named and must stay as they were. */
  readonly untouched: ReadonlySet<string>;
}

const STATUSES: readonly unknown[] = ['active', 'inactive', 'bounced', 'unsubscribed'];
const FIELDS = ['ownerId', 'score', 'status', 'email'];

/**
 * Counts what the rows imply, on purpose without the platform's own validation.
 *
 * The first row of an id counts, and later ones are duplicates. An id beyond the seeded contacts is
 * unknown. An unknown or wrong field makes a row invalid.
 *
 * @param contacts contacts `contact-1` to `contact-<contacts>` exist.
 */
export function expectationOf(rows: readonly IncomingEntity[], contacts: number): Expectation {
  const seen = new Set<string>();
  const changed = new Map<string, Fields>();
  const untouched = new Set<string>();
  const counts = { ENTITY_NOT_FOUND: 0, INVALID_ENTITY: 0, DUPLICATE_ENTITY: 0 };
  for (const row of rows) {
    const { id, fields } = toEntity(0, row);
    if (seen.has(id)) counts.DUPLICATE_ENTITY += 1;
    else if (!isValid(fields)) {
      counts.INVALID_ENTITY += 1;
      untouched.add(id);
    } else if (!exists(id, contacts)) counts.ENTITY_NOT_FOUND += 1;
    else changed.set(id, fields);
    seen.add(id);
  }
  return {
    total: rows.length,
    success: changed.size,
    failure: counts.ENTITY_NOT_FOUND + counts.INVALID_ENTITY,
    skipped: counts.DUPLICATE_ENTITY,
    codes: Object.fromEntries(Object.entries(counts).filter(([, n]) => n > 0)),
    changed,
    untouched,
  };
}

function exists(id: string, contacts: number): boolean {
  const number = Number(id.replace('contact-', ''));
  return number >= 1 && number <= contacts;
}

function isValid(fields: Fields): boolean {
  const { score, status = 'active', email = 'nobody@mail.example' } = fields;
  return (
    Object.keys(fields).every((field) => FIELDS.includes(field)) &&
    Number.isInteger(score) &&
    Number(score) >= 0 &&
    Number(score) <= 100 &&
    STATUSES.includes(status) &&
    typeof email === 'string' &&
    /^\S+@\S+\.\S+$/.test(email)
  );
}
