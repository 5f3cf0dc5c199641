import { entityIdSchema, FaultyRow, type IncomingRow } from '@bulk/domain';
import { stored, type Database } from '@bulk/mongo';
import { sourceOf } from '@bulk/uploads';
import type { FailedPositions } from './failed-positions.ts';

/** Number of rows that are held while their ids are read. */
const ROWS = 100;

/** The action whose failed positions are tried again. */
export interface EarlierTry {
  readonly actionId: string;
  readonly positions: Pick<FailedPositions, 'batchOf'>;
}

/**
 * Gives each selected row of a corrected file without an id the one of its earlier try, which may have created the
 * entity although its outcome is a failure. The logs decide, and not a cell that a person may have changed or removed.
 *
 * @throws StoreError; what `rows` throws.
 */
export async function* withEarlierIds(
  rows: AsyncIterable<IncomingRow>,
  database: Database,
  earlier: EarlierTry,
): AsyncGenerator<IncomingRow> {
  let held: IncomingRow[] = [];
  for await (const row of rows) {
    held.push(row);
    if (held.length < ROWS) continue;
    yield* await identified(held, database, earlier);
    held = [];
  }
  yield* await identified(held, database, earlier);
}

async function identified(
  rows: readonly IncomingRow[],
  { actionLogs }: Database,
  { actionId, positions }: EarlierTry,
): Promise<IncomingRow[]> {
  const unnamed = new Map<IncomingRow, number>();
  for (const row of rows)
    if (!(row instanceof FaultyRow) && row.id === undefined) unnamed.set(row, positionOf(row));
  const sought = new Set(unnamed.values());
  const batchIds = new Set(Array.from(sought, (position) => `${actionId}:${positions.batchOf(position)}`));
  const ids = new Map<number, string>();
  if (sought.size > 0) {
    const logs = await stored(
      actionLogs
        .find(
          { _id: { $in: [...batchIds] } },
          { projection: { 'outcomes.position': 1, 'outcomes.entityId': 1 } },
        )
        .toArray(),
    );
    for (const { position, entityId } of logs.flatMap(({ outcomes }) => outcomes))
      if (sought.has(position)) ids.set(position, entityId);
  }
  return rows.map((row) => {
    // A row that could not be read has no id.
    const id = entityIdSchema.safeParse(ids.get(unnamed.get(row) ?? -1));
    return row instanceof FaultyRow || !id.success ? row : { ...row, id: id.data };
  });
}

/** Returns the position that `_row` names, which has been checked. */
function positionOf(row: IncomingRow): number {
  return Number(sourceOf(row)?.own.get('_row')) - 1;
}
