import { InvalidInputError, type IncomingRow } from '@bulk/domain';

/** Passes entities through. @throws InvalidInputError at the first one beyond `max`. */
export async function* atMost(
  entities: AsyncIterable<IncomingRow>,
  max: number,
): AsyncGenerator<IncomingRow> {
  let count = 0;
  for await (const entity of entities) {
    count += 1;
    if (count > max) {
      throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [
        { field: 'entities', message: `expected at most ${max} entities` },
      ]);
    }
    yield entity;
  }
}
