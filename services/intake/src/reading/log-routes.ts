import { Readable } from 'node:stream';
import type Router from '@koa/router';
import { OPERATIONS, type ResultFormat, type ResultsQuery } from '@bulk/contracts';
import type { Context } from 'koa';
import type { ActionStore } from '../actions/action-store.ts';
import { bind } from '../http/bind.ts';
import type { CutOff } from '../http/stopping.ts';
import { markedIfBrokenOff } from './broken-off.ts';
import type { LogReader } from './log-reader.ts';
import { resultsText } from './results-export.ts';

export interface LogRoutesOptions {
  readonly actions: ActionStore;
  readonly logs: LogReader;
  /** Ends downloads when the service stops. */
  readonly cutOff: CutOff;
}

const MEDIA_TYPES: Readonly<Record<ResultFormat, string>> = {
  csv: 'text/csv; charset=utf-8; header=present',
  ndjson: 'application/x-ndjson; charset=utf-8',
};

interface Download {
  readonly format: ResultFormat;
  readonly accountId: string;
  readonly actionId: string;
  readonly type: ResultsQuery['type'];
  /** See `csvResultsQuerySchema`. */
  readonly exact: boolean;
}

/** Adds the routes of an action's outcomes: by page, or all of them as a file. */
export function addLogRoutes(router: Router, { actions, logs, cutOff }: LogRoutesOptions): void {
  bind(router, OPERATIONS.getActionLogs, async ({ accountId, actionId, query }) => {
    const { entries, pagination } = await logs.page(await actions.get(accountId, actionId), query);
    return { data: [...entries], pagination };
  });

  const download = async (
    ctx: Context,
    { format, accountId, actionId, type, exact }: Download,
  ): Promise<undefined> => {
    const { _id, changes } = await actions.get(accountId, actionId);
    const withChanges = changes !== undefined;
    const text = resultsText(logs.all(_id, type), { format, exact, withChanges });
    const marked = markedIfBrokenOff(text, { format, response: ctx.res, cutOff });
    await stream(ctx, marked, MEDIA_TYPES[format]);
    ctx.attachment(`${_id}-${type ?? 'results'}.${format}`, { type: 'attachment' });
  };
  bind(router, OPERATIONS.downloadResultsCsv, ({ ctx, accountId, actionId, query: { type, exact } }) =>
    download(ctx, { format: 'csv', accountId, actionId, type, exact }),
  );
  bind(router, OPERATIONS.downloadResultsNdjson, ({ ctx, accountId, actionId, query: { type } }) =>
    download(ctx, { format: 'ndjson', accountId, actionId, type, exact: true }),
  );
}

/**
 * Answers with a text that is written as fast as the client reads it.
 *
 * Its first piece is awaited, so that an early error gets a proper answer. A later error breaks off
 * the connection, which no client takes for the end.
 */
async function stream(ctx: Context, text: AsyncGenerator<string>, mediaType: string): Promise<void> {
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
