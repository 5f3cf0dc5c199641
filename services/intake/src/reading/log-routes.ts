import type Router from '@koa/router';
import { OPERATIONS, type ResultFormat, type ResultsQuery } from '@bulk/contracts';
import type { Context } from 'koa';
import type { ActionStore } from '../actions/action-store.ts';
import { bind } from '../http/bind.ts';
import type { CutOff } from '../http/stopping.ts';
import { markedIfBrokenOff } from './broken-off.ts';
import type { LogReader } from './log-reader.ts';
import { incompleteText, resultsText } from './results-export.ts';
import { streamText, TEXT_MEDIA_TYPES } from './stream-text.ts';

export interface LogRoutesOptions {
  readonly actions: ActionStore;
  readonly logs: LogReader;
  /** Ends downloads when the service stops. */
  readonly cutOff: CutOff;
}

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
    const columns = { format, withChanges };
    const marked = markedIfBrokenOff(text, {
      lastRow: ({ code, message }) => incompleteText({ status: 'incomplete', code, message }, columns),
      response: ctx.res,
      cutOff,
    });
    await streamText(ctx, marked, TEXT_MEDIA_TYPES[format]);
    ctx.attachment(`${_id}-${type ?? 'results'}.${format}`, { type: 'attachment' });
  };
  bind(router, OPERATIONS.downloadResultsCsv, ({ ctx, accountId, actionId, query: { type, exact } }) =>
    download(ctx, { format: 'csv', accountId, actionId, type, exact }),
  );
  bind(router, OPERATIONS.downloadResultsNdjson, ({ ctx, accountId, actionId, query: { type } }) =>
    download(ctx, { format: 'ndjson', accountId, actionId, type, exact: true }),
  );
}
