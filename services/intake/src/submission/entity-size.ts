import { InvalidInputError, isDeeperThan, MAX_DEPTH, type IncomingEntity } from '@bulk/domain';

/**
 * The size of an entity: the bytes of its JSON.
 *
 * @throws InvalidInputError `ENTITY_TOO_LARGE` when that is more than `maxBytes`; `INVALID_REQUEST` when it is nested too
 *   deeply.
 */
export function checkedSize(entity: IncomingEntity, position: number, maxBytes: number): number {
  if (isDeeperThan(entity, MAX_DEPTH)) {
    throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [
      { field: `entities[${position}]`, message: `expected at most ${MAX_DEPTH} levels of nesting` },
    ]);
  }
  const bytes = Buffer.byteLength(JSON.stringify(entity));
  if (bytes <= maxBytes) return bytes;
  throw new InvalidInputError('ENTITY_TOO_LARGE', 'an entity is too large', [
    { field: `entities[${position}]`, message: `expected at most ${maxBytes} bytes, found ${bytes}` },
  ]);
}
