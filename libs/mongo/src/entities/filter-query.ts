import type { Condition, EntityFilter, EntityType } from '@bulk/action-types';
import type { Document } from 'mongodb';
import { entityKey } from '../documents.ts';

/** Last code point before the surrogates, and the first one after them. */
const BEFORE_SURROGATES = 0xd7ff;
const AFTER_SURROGATES = 0xe000;
const LAST_CODE_POINT = 0x10ffff;

/** How MongoDB finds the records of a filter. */
export interface RecordQuery {
  /** The conditions that bound the part of the index that is read. */
  readonly bounds: Document;
  /** The whole filter, with the bounds. */
  readonly filter: Document;
  /** The index that is read; that of `_id` if no condition has an index. */
  readonly hint: Document;
  /** Whether a condition has an index. Otherwise all records of the account are read. */
  readonly indexed: boolean;
}

/**
 * Translates a filter to a query of MongoDB, which matches living records of one account only.
 *
 * The index is chosen here and not by the server, so that the number of records that are read is known before they are
 * read: a condition on `id`, or the narrowest one on the first field of an index of the entity type. All conditions on that
 * field bound the part of the index that is read. Values of a caller
 * are only ever operands of `$eq`, `$in` and the like, so that no operator of a caller reaches MongoDB.
 */
export function recordQuery(entityType: EntityType, accountId: string, filter: EntityFilter): RecordQuery {
  const account = { accountId };
  const conditions = [account, { deletedAt: null }, ...filter.map((one) => toDocument(one, accountId))];
  const best = narrowest(entityType, filter);
  if (best === undefined || best.field === 'id') {
    const keys = [...documentsOf('id', filter, accountId), accountKeys(accountId)];
    const bounds = { $and: keys };
    return {
      bounds,
      filter: { ...account, $and: [...keys, ...conditions.slice(1)] },
      hint: { _id: 1 },
      indexed: best !== undefined,
    };
  }
  return {
    bounds: { ...account, $and: documentsOf(best.field, filter, accountId) },
    filter: { ...account, $and: conditions.slice(1) },
    hint: indexKey(entityType, best.field, filter),
    indexed: true,
  };
}

/** Returns the condition on `_id` that all keys of an account meet, and no other key. */
export function accountKeys(accountId: string): Document {
  // `;` follows `:`, which ends the account in a key.
  return { _id: { $gte: entityKey(accountId, ''), $lt: `${accountId};` } };
}

/** Returns the smallest text that is greater than every text with this start; undefined if there is none. */
export function afterPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0);
  while (points.at(-1) === LAST_CODE_POINT) points.pop();
  const last = points.pop();
  if (last === undefined) return undefined;
  return String.fromCodePoint(...points, last === BEFORE_SURROGATES ? AFTER_SURROGATES : last + 1);
}

/** The operators that bound an index, the narrowest first. */
const BOUNDING = ['eq', 'in', 'startsWith', 'gte', 'gt', 'lte', 'lt'] as const;

function narrowest(entityType: EntityType, filter: EntityFilter): Condition | undefined {
  const first = new Set(['id', ...usableIndexes(entityType, filter).map(({ fields }) => fields[0])]);
  const bounding = filter.filter((condition) => first.has(condition.field) && isBounding(condition));
  return BOUNDING.flatMap((operator) => bounding.filter((condition) => condition.operator === operator))[0];
}

/** Returns the indexes that contain every record of a filter. A unique index lacks the records without one of its fields. */
function usableIndexes({ indexes }: EntityType, filter: EntityFilter): EntityType['indexes'] {
  const needed = new Set(filter.filter(isBounding).map(({ field }) => field));
  return indexes.filter(
    ({ unique, fields }) => unique !== true || fields.every((field) => needed.has(field)),
  );
}

/** Returns whether a condition bounds an index, and holds only for records that have the field. */
function isBounding(condition: Condition): boolean {
  if (!BOUNDING.some((operator) => operator === condition.operator)) return false;
  if (condition.operator === 'in') return !condition.values.includes(null);
  return condition.operator === 'eq' ? condition.value !== null : true;
}

function documentsOf(field: string, filter: EntityFilter, accountId: string): Document[] {
  return filter.flatMap((one) => (one.field === field ? [toDocument(one, accountId)] : []));
}

function indexKey(entityType: EntityType, field: string, filter: EntityFilter): Document {
  const fields = usableIndexes(entityType, filter).find((index) => index.fields[0] === field)?.fields ?? [];
  return Object.fromEntries(['accountId', ...fields].map((name): [string, 1] => [name, 1]));
}

/** The operator of MongoDB for each operator that takes its value as it is. */
const DIRECT = {
  eq: '$eq',
  ne: '$ne',
  lt: '$lt',
  lte: '$lte',
  gt: '$gt',
  gte: '$gte',
  contains: '$eq',
} as const;

function toDocument(condition: Condition, accountId: string): Document {
  if (condition.field === 'id') return { _id: toOperators(condition, (id) => entityKey(accountId, id)) };
  return { [condition.field]: toOperators(condition, (text) => text) };
}

/** @param ofText converts each text of the condition. */
function toOperators(condition: Condition, ofText: (text: string) => string): Document {
  const converted = (value: unknown): unknown => (typeof value === 'string' ? ofText(value) : value);
  switch (condition.operator) {
    case 'in':
      return { $in: condition.values.map(converted) };
    case 'exists':
      return condition.value ? { $ne: null } : { $eq: null };
    case 'startsWith': {
      const end = afterPrefix(condition.value);
      return { $gte: ofText(condition.value), ...(end === undefined ? {} : { $lt: ofText(end) }) };
    }
    default:
      return { [DIRECT[condition.operator]]: converted(condition.value) };
  }
}
