import { FaultyRow, InvalidInputError, isDeeperThan, MAX_DEPTH, type IncomingRow } from '@bulk/domain';

/**
 * Returns the size of a row that may have an id that the platform added. Only the rest of the row is limited: the caller's
 * own ids are checked with the request.
 *
 * @returns the number of bytes with the id.
 * @throws as `checkedSize` does.
 */
export function checkedRowSize(row: IncomingRow, position: number, maxBytes: number): number {
  const bytes = checkedSize(row, position, Number.POSITIVE_INFINITY);
  if (bytes > maxBytes && !(row instanceof FaultyRow))
    checkedSize({ ...row, id: undefined }, position, maxBytes);
  return bytes;
}

/**
 * Returns the size of an entity: the number of bytes of its JSON.
 *
 * A row at fault has no limit: it holds its fault, an id and a ref, which are bounded already.
 *
 * @throws InvalidInputError `ENTITY_TOO_LARGE` if the size exceeds `maxBytes`; `INVALID_REQUEST` if
 * it is nested too deeply.
 */
export function checkedSize(entity: IncomingRow, position: number, maxBytes: number): number {
  // The fields of a faulty row are as deep as they were sent.
  if (isDeeperThan(entity instanceof FaultyRow ? entity.fields : entity, MAX_DEPTH)) {
    throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [
      { field: `entities[${position}]`, message: `expected at most ${MAX_DEPTH} levels of nesting` },
    ]);
  }
  const bytes = Buffer.byteLength(JSON.stringify(entity));
  if (bytes <= maxBytes || entity instanceof FaultyRow) return bytes;
  throw new InvalidInputError('ENTITY_TOO_LARGE', 'an entity is too large', [
    { field: `entities[${position}]`, message: `expected at most ${maxBytes} bytes, found ${bytes}` },
  ]);
}
