import { FaultyRow, type IncomingRow } from '@bulk/domain';

/**
 * Gives an id to each row without one. The ids are staged with the rows, so every retry and every redelivery has the same
 * ones.
 */
export async function* withEntityIds(
  rows: Iterable<IncomingRow> | AsyncIterable<IncomingRow>,
  newEntityId: () => string,
): AsyncGenerator<IncomingRow> {
  for await (const row of rows)
    yield row instanceof FaultyRow || row.id !== undefined ? row : { ...row, id: newEntityId() };
}
