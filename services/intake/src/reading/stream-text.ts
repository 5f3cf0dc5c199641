import { Readable } from 'node:stream';
import type { ResultFormat } from '@bulk/contracts';
import type { Context } from 'koa';

/** The content type of a download. */
export const TEXT_MEDIA_TYPES: Readonly<Record<ResultFormat, string>> = {
  csv: 'text/csv; charset=utf-8; header=present',
  ndjson: 'application/x-ndjson; charset=utf-8',
};

/**
 * Answers with a text that is written as fast as the client reads it.
 *
 * Its first piece is awaited, so that an early error gets a proper answer. A later error breaks off
 * the connection, which no client takes for the end.
 */
export async function streamText(
  ctx: Context,
  text: AsyncGenerator<string>,
  mediaType: string,
): Promise<void> {
  // HEAD reads nothing, because its text would never be closed.
  const body = ctx.method === 'HEAD' ? [] : resumed(await text.next(), text);
  ctx.status = 200;
  ctx.body = Readable.from(body, { objectMode: false });
  ctx.set('content-type', mediaType);
}

/**
 * Continues a generator after its first result.
 *
 * A generator around it would not do: one that is left before its first piece never runs, and so
 * never closes what is inside.
 */
function resumed(first: IteratorResult<string>, text: AsyncGenerator<string>): AsyncIterable<string> {
  let given: IteratorResult<string> | undefined = first;
  const next = (): Promise<IteratorResult<string>> => {
    const result = given;
    given = undefined;
    return result === undefined ? text.next() : Promise.resolve(result);
  };
  return { [Symbol.asyncIterator]: () => ({ next, return: () => text.return(undefined) }) };
}
