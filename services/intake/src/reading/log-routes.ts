import type Router from '@koa/router';
import { OPERATIONS, type ResultFormat } from '@bulk/contracts';
import type { Context } from 'koa';
import type { ActionStore } from '../actions/action-store.ts';
import { bind } from '../http/bind.ts';
import type { CutOff } from '../http/stopping.ts';
import { markedIfBrokenOff } from './broken-off.ts';
import type { LogFilter } from './log-filter.ts';
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
  readonly filter: LogFilter;
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
    { format, accountId, actionId, filter, exact }: Download,
  ): Promise<undefined> => {
    const action = await actions.get(accountId, actionId);
    const withChanges = action.changes !== undefined;
    const text = resultsText(logs.all(action, filter), { format, exact, withChanges });
    const columns = { format, withChanges };
    const marked = markedIfBrokenOff(text, {
      lastRow: ({ code, message }) => incompleteText({ status: 'incomplete', code, message }, columns),
      response: ctx.res,
      cutOff,
    });
    await streamText(ctx, marked, TEXT_MEDIA_TYPES[format]);
    ctx.attachment(`${action._id}-${filter.type ?? 'results'}.${format}`, { type: 'attachment' });
  };
  bind(router, OPERATIONS.downloadResultsCsv, ({ ctx, accountId, actionId, query: { exact, ...filter } }) =>
    download(ctx, { format: 'csv', accountId, actionId, filter, exact }),
  );
  bind(router, OPERATIONS.downloadResultsNdjson, ({ ctx, accountId, actionId, query: filter }) =>
    download(ctx, { format: 'ndjson', accountId, actionId, filter, exact: true }),
  );
}
