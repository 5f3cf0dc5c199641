/** Number of rows that become one text, so that writes are few and large. */
const ROWS = 500;

/** Yields the text of rows, piece by piece and on demand. It holds the rows of one piece. */
export async function* inPieces<T>(
  rows: AsyncIterable<T>,
  textOf: (rows: readonly T[]) => string,
): AsyncGenerator<string> {
  let piece: T[] = [];
  for await (const row of rows) {
    piece.push(row);
    if (piece.length < ROWS) continue;
    yield textOf(piece);
    piece = [];
  }
  if (piece.length > 0) yield textOf(piece);
}
