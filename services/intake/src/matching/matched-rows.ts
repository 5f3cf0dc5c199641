import { fieldIssues, type EntityType, type Targets } from '@bulk/action-types';
import {
  derivedEntityId,
  FaultyRow,
  OUTCOME_CODES,
  type EntityFault,
  type IncomingEntity,
  type IncomingRow,
} from '@bulk/domain';
import { findByField, readField, type Database, type FoundEntities } from '@bulk/mongo';
import { quoted } from '@bulk/uploads';
import { z } from 'zod';
import { checkedRowSize } from '../submission/entity-size.ts';
import { groupsOf, type GroupBounds } from './row-groups.ts';
import { withNotesOf } from './row-notes.ts';

/** What rows are matched with. */
export interface MatchScope {
  readonly accountId: string;
  readonly entityType: EntityType;
  readonly targets: Targets;
  /** The field whose value finds the entity of a row. */
  readonly field: string;
}

export interface RowMatcherOptions {
  readonly database: Database;
  /** The rows that one query matches. */
  readonly group: GroupBounds;
  /** Largest JSON of one entity, in bytes. */
  readonly maxEntityBytes: number;
}

type Rows = Iterable<IncomingRow> | AsyncIterable<IncomingRow>;

/** Maximum number of ids that the outcome of an ambiguous row names, and of their characters. */
const MAX_NAMED_IDS = 5;
const MAX_NAMED_CHARACTERS = 400;

/** Maximum number of ids that are derived from a value. */
const MAX_DERIVED_IDS = 10;

/** Faults that another state of the entities would not have: a retry matches these rows again. */
const MATCH_FAULTS: ReadonlySet<string> = new Set([
  OUTCOME_CODES.ENTITY_NOT_FOUND,
  OUTCOME_CODES.AMBIGUOUS_MATCH,
  OUTCOME_CODES.ENTITY_EXISTS,
]);

/** Finds the entities of rows by the value of a field. */
export class RowMatcher {
  readonly #options: RowMatcherOptions;

  constructor(options: RowMatcherOptions) {
    this.#options = options;
  }

  /**
   * Gives each row the id of the entity that has its value, in the order of the rows. A row that cannot be matched becomes
   * the failure of its position. It holds one group of rows.
   *
   * A row that has an id keeps it: it is a row of an earlier action, which is tried again.
   *
   * @throws InvalidInputError if a row is too large; StoreError; the errors of `rows`.
   */
  async *matched(rows: Rows, scope: MatchScope): AsyncGenerator<IncomingRow> {
    const { group, maxEntityBytes } = this.#options;
    let position = 0;
    const sizeOf = (row: IncomingRow): number => {
      // A fault may be larger than the row that it belongs to.
      const bytes = checkedRowSize(row instanceof FaultyRow ? sentOf(row) : row, position, maxEntityBytes);
      position += 1;
      return bytes;
    };
    for await (const some of groupsOf(rows, group, sizeOf)) yield* await this.#match(some, scope);
  }

  async #match(rows: readonly IncomingRow[], scope: MatchScope): Promise<IncomingRow[]> {
    const { entityType, field } = scope;
    const read = rows.map((row) => readRow(row, scope));
    const values = read.flatMap((one) => ('value' in one ? [one.value] : []));
    const found = await findByField(this.#options.database, scope, field, values, MAX_NAMED_IDS);
    const unmatched = scope.targets === 'either' ? values.filter((value) => !found.has(value)) : [];
    const derived = await this.#derivedIds(new Set(unmatched), scope);
    return read.map((one) => {
      if (!('value' in one)) return one.row;
      const { row, value } = one;
      const entities = found.get(value);
      if (entities !== undefined && entities.count > 1)
        return faulty(row, ambiguous(entities, entityType.name, field));
      const id = entities?.ids[0] ?? derived.get(value);
      if (id !== undefined) return identified(row, id, scope);
      return faulty(row, scope.targets === 'either' ? exhausted(scope, value) : notFound(scope, value));
    });
  }

  /**
   * Returns the id of the new entity of each value. An entity that was made for a value may have another one by now: it is
   * another entity then, and the next id is derived.
   *
   * @returns no id for a value whose derived ids all belong to such entities.
   */
  async #derivedIds(values: ReadonlySet<string>, scope: MatchScope): Promise<Map<string, string>> {
    const { accountId, field } = scope;
    const entityType = scope.entityType.name;
    const ids = new Map<string, string>();
    let open = [...values];
    for (let attempt = 0; open.length > 0 && attempt < MAX_DERIVED_IDS; attempt += 1) {
      const candidates = open.map((value): [string, string] => [
        value,
        derivedEntityId({ accountId, entityType, field, value }, attempt),
      ]);
      const derived = candidates.map(([, id]) => id);
      const stored = await readField(this.#options.database, scope, field, derived);
      for (const [value, id] of candidates)
        if (!stored.has(id) || stored.get(id) === value) ids.set(value, id);
      open = open.filter((value) => !ids.has(value));
    }
    return ids;
  }
}

/** A row with its value, or a row that needs no match. */
type ReadRow = { readonly row: IncomingEntity; readonly value: string } | { readonly row: IncomingRow };

function readRow(row: IncomingRow, { entityType, field }: MatchScope): ReadRow {
  if (row instanceof FaultyRow && !MATCH_FAULTS.has(row.fault.code)) return { row };
  if (!(row instanceof FaultyRow) && row.id !== undefined) return { row };
  const sent = row instanceof FaultyRow ? sentOf(row) : row;
  const given = Object.hasOwn(sent, field) ? sent[field] : undefined;
  if (given === undefined || given === null)
    return { row: faulty(sent, invalid(`${field}: expected a value, which finds the ${entityType.name}`)) };
  const shape: Readonly<Record<string, z.core.$ZodType>> = entityType.recordSchema.shape;
  const parsed = z.safeParse(shape[field] ?? z.never(), given);
  if (parsed.success && typeof parsed.data === 'string') return { row: sent, value: parsed.data };
  const [issue] = parsed.success ? [] : fieldIssues(parsed.error, [field]);
  return { row: faulty(sent, invalid(`${field}: ${issue?.message ?? 'expected a text'}`)) };
}

/** Returns the entity that a faulty row was sent as. */
function sentOf(row: FaultyRow): IncomingEntity {
  const { ref, fields } = row;
  return withNotesOf({ ...fields, ...(ref === null ? {} : { ref }) }, row);
}

function faulty(row: IncomingEntity, fault: EntityFault): FaultyRow {
  const { id, ref, ...fields } = row;
  const known = { ...(id === undefined ? {} : { id }), ref: ref ?? null, fields };
  return withNotesOf(new FaultyRow(fault, known), row);
}

/**
 * Gives a row its id. A change of an existing entity does not write the value again: the entity may have another one by
 * the time of the change.
 */
function identified(row: IncomingEntity, id: string, { field, targets }: MatchScope): IncomingEntity {
  if (targets === 'either') return { ...row, id };
  const others = Object.entries(row).filter(([name]) => name !== field);
  return withNotesOf({ ...Object.fromEntries(others), id }, row);
}

function ambiguous({ ids, count, complete }: FoundEntities, entityType: string, field: string): EntityFault {
  const named: string[] = [];
  let characters = 0;
  for (const id of ids) {
    characters += id.length;
    if (named.length > 0 && characters > MAX_NAMED_CHARACTERS) break;
    named.push(id);
  }
  const atLeast = complete ? '' : 'at least ';
  const others = count - named.length;
  const more = others === 0 ? '' : `, and ${atLeast}${others} more`;
  return {
    code: OUTCOME_CODES.AMBIGUOUS_MATCH,
    message: `${atLeast}${count} entities of the type ${entityType} have this ${field}: ${named.join(', ')}${more}`,
  };
}

function notFound({ entityType, field }: MatchScope, value: string): EntityFault {
  return {
    code: OUTCOME_CODES.ENTITY_NOT_FOUND,
    message: `no ${entityType.name} has the ${field} ${quoted(value)}`,
  };
}

function exhausted({ entityType, field }: MatchScope, value: string): EntityFault {
  return {
    code: OUTCOME_CODES.ENTITY_EXISTS,
    message: `no ${entityType.name} has the ${field} ${quoted(value)}, and every id that it gives belongs to another ${entityType.name}: create the entity with an id`,
  };
}

function invalid(message: string): EntityFault {
  return { code: OUTCOME_CODES.INVALID_ENTITY, message };
}
