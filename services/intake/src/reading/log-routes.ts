import type Router from '@koa/router';
import { OPERATIONS, type ResultFormat, type ResultsQuery } from '@bulk/contracts';
import type { Context } from 'koa';
import type { ActionStore } from '../actions/action-store.ts';
import { bind } from '../http/bind.ts';
import type { CutOff } from '../http/stopping.ts';
import { markedIfBrokenOff } from './broken-off.ts';
import type { LogFilter } from './log-filter.ts';
import type { LogReader } from './log-reader.ts';
import { incompleteText, resultsText } from './results-export.ts';
import { streamText, TEXT_MEDIA_TYPES } from './stream-text.ts';
import type { InputReader } from '../input/input-reader.ts';
import { incompleteLine, inputText } from '../input/input-text.ts';

export interface LogRoutesOptions {
  readonly actions: ActionStore;
  readonly logs: LogReader;
  readonly input: InputReader;
  /** Ends downloads when the service stops. */
  readonly cutOff: CutOff;
}

interface Download {
  readonly format: ResultFormat;
  readonly accountId: string;
  readonly actionId: string;
  readonly filter: LogFilter;
  readonly include: ResultsQuery['include'];
  /** See `csvResultsQuerySchema`. */
  readonly exact: boolean;
}

/** Adds the routes of an action's outcomes: by page, or all of them as a file. */
export function addLogRoutes(router: Router, { actions, logs, input, cutOff }: LogRoutesOptions): void {
  bind(router, OPERATIONS.getActionLogs, async ({ accountId, actionId, query }) => {
    const { entries, pagination } = await logs.page(await actions.get(accountId, actionId), query);
    return { data: [...entries], pagination };
  });

  const download = async (
    ctx: Context,
    { format, accountId, actionId, filter, include, exact }: Download,
  ): Promise<undefined> => {
    const action = await actions.get(accountId, actionId);
    const columns = { format, withChanges: action.changes !== undefined };
    const form = include === undefined ? undefined : await input.form(action._id);
    const text =
      form === undefined
        ? resultsText(logs.all(action, filter), { ...columns, exact })
        : inputText(input.all(action, filter), format, form);
    const marked = markedIfBrokenOff(text, {
      lastRow: ({ code, message }) =>
        form === undefined || format === 'ndjson'
          ? incompleteText({ status: 'incomplete', code, message }, columns)
          : incompleteLine({ code, message }, form),
      response: ctx.res,
      cutOff,
    });
    await streamText(ctx, marked, TEXT_MEDIA_TYPES[format]);
    ctx.attachment(`${action._id}-${filter.type ?? 'results'}.${format}`, { type: 'attachment' });
  };
  bind(
    router,
    OPERATIONS.downloadResultsCsv,
    ({ ctx, accountId, actionId, query: { exact, include, ...filter } }) =>
      download(ctx, { format: 'csv', accountId, actionId, filter, include, exact }),
  );
  bind(
    router,
    OPERATIONS.downloadResultsNdjson,
    ({ ctx, accountId, actionId, query: { include, ...filter } }) =>
      download(ctx, { format: 'ndjson', accountId, actionId, filter, include, exact: true }),
  );
}
