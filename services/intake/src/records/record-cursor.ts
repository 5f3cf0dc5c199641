import type { RecordSort } from '@bulk/contracts';
import { entityIdSchema } from '@bulk/domain';
import type { EntityRecord, RecordPage, RecordPlace } from '@bulk/mongo';
import { z } from 'zod';
import { invalidQuery } from './filter-query.ts';

const cursorSchema = z.tuple([z.string(), z.int().nullable(), entityIdSchema]);

/** Returns the field and the direction of an order. */
export function orderOf(sort: RecordSort): Pick<RecordPage, 'by' | 'direction'> {
  const by = sort.replace('-', '') as RecordPage['by'];
  return { by, direction: sort.startsWith('-') ? -1 : 1 };
}

/** Returns the cursor after a record in an order. It is opaque to callers. */
export function cursorAfter(sort: RecordSort, record: EntityRecord): string {
  const { by } = orderOf(sort);
  const at = by === 'id' ? null : (record[by]?.getTime() ?? null);
  return Buffer.from(JSON.stringify([sort, at, record.id])).toString('base64url');
}

/** Reads a cursor. @throws InvalidInputError if it is no cursor of this order. */
export function placeOf(sort: RecordSort, cursor: string | undefined): RecordPlace | undefined {
  if (cursor === undefined) return undefined;
  const parsed = cursorSchema.safeParse(decoded(cursor));
  if (!parsed.success || parsed.data[0] !== sort) {
    throw invalidQuery([
      { field: 'after', message: 'expected the `pagination.next` of a page with the same `sort`' },
    ]);
  }
  const [, at, id] = parsed.data;
  const time = at === null ? null : new Date(at);
  if (time !== null && Number.isNaN(time.getTime())) {
    throw invalidQuery([{ field: 'after', message: 'expected the `pagination.next` of an earlier page' }]);
  }
  return { id, at: time };
}

function decoded(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
