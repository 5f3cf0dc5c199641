import { Readable } from 'node:stream';
import type Router from '@koa/router';
import {
  csvResultsQuerySchema,
  logsQuerySchema,
  resultsQuerySchema,
  type CsvResultsQuery,
} from '@bulk/contracts';
import type { Context } from 'koa';
import type { ActionStore } from '../actions/action-store.ts';
import type { LogReader } from '../logs/log-reader.ts';
import { RESULT_FORMATS, resultsText, type ResultFormat } from '../logs/results-export.ts';
import { markedIfBrokenOff } from './broken-off.ts';
import { BASE, succeeded } from './context.ts';
import { requestedAction } from './read-routes.ts';
import type { CutOff } from './stopping.ts';
import { validate } from './validate.ts';

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

/** The outcomes of an action: by page, or all of them as a file. */
export function addLogRoutes(router: Router, { actions, logs, cutOff }: LogRoutesOptions): void {
  router.get(`${BASE}/:id/logs`, async (ctx) => {
    const query = validate(logsQuerySchema, ctx.query);
    const action = await requestedAction(ctx, actions, query.accountId);
    const { entries, pagination } = await logs.page(action, query);
    ctx.body = succeeded(entries, pagination);
  });

  for (const format of RESULT_FORMATS) {
    router.get(`${BASE}/:id/results.${format}`, async (ctx) => {
      const { type, accountId, exact } = resultsQuery(format, ctx.query);
      const { _id } = await requestedAction(ctx, actions, accountId);
      const text = resultsText(logs.all(_id, type), { format, exact });
      const marked = markedIfBrokenOff(text, { format, response: ctx.res, cutOff });
      await stream(ctx, marked, MEDIA_TYPES[format]);
      ctx.attachment(`${_id}-${type ?? 'results'}.${format}`, { type: 'attachment' });
    });
  }
}

function resultsQuery(format: ResultFormat, query: unknown): CsvResultsQuery {
  if (format === 'csv') return validate(csvResultsQuerySchema, query);
  return { ...validate(resultsQuerySchema, query), exact: true };
}

/**
 * Answers with a text that is written as fast as it is read. Its first piece is awaited, so that what is wrong from the
 * start has a proper answer; what goes wrong later breaks the connection off, which no client takes for the end.
 */
async function stream(ctx: Context, text: AsyncGenerator<string>, mediaType: string): Promise<void> {
  // For HEAD nothing is read: nobody would ever close it.
  const body = ctx.method === 'HEAD' ? [] : resumed(await text.next(), text);
  ctx.status = 200;
  ctx.body = Readable.from(body, { objectMode: false });
  ctx.set('content-type', mediaType);
}

/**
 * Continues a generator after its first result. A generator around it would not do: one that is left before its first
 * piece never runs, and so never closes what is inside.
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
