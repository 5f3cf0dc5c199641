import type Router from '@koa/router';
import type { ActionRegistry, EntityType } from '@bulk/action-types';
import { OPERATIONS, RestError, type EntityRecordView, type ResultFormat } from '@bulk/contracts';
import type { EntityRecord, RecordReader } from '@bulk/mongo';
import type { Context } from 'koa';
import { bind } from '../http/bind.ts';
import type { Budget, Share } from '../http/budget.ts';
import { goneSignal } from '../http/gone-signal.ts';
import type { CutOff } from '../http/stopping.ts';
import { markedIfBrokenOff } from '../reading/broken-off.ts';
import { streamText, TEXT_MEDIA_TYPES } from '../reading/stream-text.ts';
import { filterOfQuery } from './filter-query.ts';
import { cursorAfter, orderOf, placeOf } from './record-cursor.ts';
import { columnsOf, incompleteRecordsText, recordsText } from './record-export.ts';

export interface RecordRoutesOptions {
  readonly registry: ActionRegistry;
  readonly records: RecordReader;
  /** Bounds the reads of records at once. */
  readonly reads: Budget;
  /** Ends downloads when the service stops. */
  readonly cutOff: CutOff;
}

interface Export {
  readonly format: ResultFormat;
  readonly accountId: string;
  readonly entityType: EntityType;
  readonly filter: string | undefined;
  readonly fields: string | undefined;
  readonly exact: boolean;
}

/** Adds the routes of records: one, by page, or all of a filter as a file. */
export function addRecordRoutes(router: Router, options: RecordRoutesOptions): void {
  const { registry, records, reads, cutOff } = options;

  bind(router, OPERATIONS.listEntities, ({ ctx, accountId, path, query }) => {
    const { sort, limit } = query;
    const entityType = registry.entityType(path.entityType);
    const filter = filterOfQuery(entityType, query.filter);
    const after = placeOf(sort, query.after);
    return reads.within(accountId, async () => {
      const signal = AbortSignal.any([goneSignal(ctx), cutOff.signal]);
      // One more than the page holds shows whether there is another page.
      const page = { ...orderOf(sort), limit: limit + 1, after };
      const found = await records.page(accountId, entityType, filter, page, signal);
      const shown = found.slice(0, limit);
      const last = shown.at(-1);
      const next = found.length > limit && last !== undefined ? cursorAfter(sort, last) : null;
      return { data: shown.map(toRecordView), pagination: { limit, next } };
    });
  });

  // Before the route of one record, whose path matches these too.
  bind(router, OPERATIONS.exportEntitiesCsv, ({ ctx, accountId, path, query }) => {
    const entityType = registry.entityType(path.entityType);
    const { filter, fields, exact } = query;
    return download(ctx, { format: 'csv', accountId, entityType, filter, fields, exact });
  });
  bind(router, OPERATIONS.exportEntitiesNdjson, ({ ctx, accountId, path, query }) => {
    const entityType = registry.entityType(path.entityType);
    const { filter, fields } = query;
    return download(ctx, { format: 'ndjson', accountId, entityType, filter, fields, exact: true });
  });

  bind(router, OPERATIONS.getEntity, async ({ accountId, path }) => {
    const entityType = registry.entityType(path.entityType);
    const record = await records.find(accountId, entityType, path.id);
    if (record === undefined) {
      throw new RestError('ENTITY_NOT_FOUND', `there is no ${entityType.name} ${path.id} in this account`);
    }
    return { data: toRecordView(record) };
  });

  async function download(ctx: Context, wanted: Export): Promise<undefined> {
    const { format, accountId, entityType, exact } = wanted;
    const filter = filterOfQuery(entityType, wanted.filter);
    const columns = columnsOf(entityType, wanted.fields);
    const share = reads.open(accountId);
    share.take(1);
    const signal = AbortSignal.any([goneSignal(ctx), cutOff.signal]);
    const found = records.records(accountId, entityType, filter, signal);
    const text = recordsText(found, { format, columns, exact });
    const marked = markedIfBrokenOff(text, {
      lastRow: (error) => incompleteRecordsText(error, format, columns),
      response: ctx.res,
      cutOff,
    });
    // A HEAD request reads nothing, so that nothing would release its share.
    if (ctx.method === 'HEAD') share.release();
    await streamText(ctx, releasing(share, marked), TEXT_MEDIA_TYPES[format]);
    ctx.attachment(`${entityType.name}.${format}`, { type: 'attachment' });
  }
}

/** Passes a text through and releases a share at its end. The reader must ask for the first piece. */
async function* releasing(share: Share, text: AsyncGenerator<string>): AsyncGenerator<string> {
  try {
    yield* text;
  } finally {
    share.release();
  }
}

function toRecordView({ id, version, createdAt, updatedAt, fields }: EntityRecord): EntityRecordView {
  return {
    ...fields,
    id,
    version,
    createdAt: createdAt?.toISOString() ?? null,
    updatedAt: updatedAt?.toISOString() ?? null,
  };
}
