import { entityIdSchema, FaultyRow, type IncomingRow } from '@bulk/domain';
import { sourceOf } from '@bulk/uploads';

/**
 * Gives each row of a corrected file without an id the one that `_id` names. The earlier try had it, and may have created
 * the entity although its outcome is a failure.
 */
export async function* withEarlierIds(rows: AsyncIterable<IncomingRow>): AsyncGenerator<IncomingRow> {
  for await (const row of rows) {
    const id = entityIdSchema.safeParse(sourceOf(row)?.own.get('_id'));
    yield row instanceof FaultyRow || row.id !== undefined || !id.success ? row : { ...row, id: id.data };
  }
}
