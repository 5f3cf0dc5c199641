import type Router from '@koa/router';
import { columnMappingInputSchema, OPERATIONS, RestError, type ColumnMappingInput } from '@bulk/contracts';
import { InvalidInputError, MAX_DEPTH, protoKeys } from '@bulk/domain';
import type { Context } from 'koa';
import { bind } from '../http/bind.ts';
import type { Budget } from '../http/budget.ts';
import { goneSignal } from '../http/gone-signal.ts';
import type { CutOff } from '../http/stopping.ts';
import { validate } from '../http/validate.ts';
import { BodyReader, drain } from '../submission/body-reader.ts';
import { readJsonBody } from '../submission/json-body.ts';
import type { ColumnMappings } from './column-mappings.ts';

export interface MappingRoutesOptions {
  readonly mappings: ColumnMappings;
  /** Bounds the bytes of JSON bodies that are held at once. */
  readonly bodies: Budget;
  /** Ends bodies that are still being sent when the service stops. */
  readonly cutOff: CutOff;
}

/** Maximum size of a body, in bytes: a map of the largest size with escaped characters. */
const BODY_LIMIT_BYTES = 262_144;

/** Adds the routes of the saved column mappings. */
export function addMappingRoutes(router: Router, options: MappingRoutesOptions): void {
  const { mappings } = options;
  bind(router, OPERATIONS.listColumnMappings, async ({ accountId }) => ({
    data: await mappings.list(accountId),
  }));
  bind(router, OPERATIONS.getColumnMapping, async ({ accountId, path }) => ({
    data: await mappings.get(accountId, path.name),
  }));
  bind(router, OPERATIONS.putColumnMapping, async ({ ctx, accountId, path }) => {
    try {
      return { data: await mappings.put(accountId, path.name, await readMapping(ctx, accountId, options)) };
    } catch (error) {
      drain(ctx.req);
      throw error;
    }
  });
  bind(router, OPERATIONS.deleteColumnMapping, async ({ accountId, path }) => ({
    data: await mappings.remove(accountId, path.name),
  }));
}

async function readMapping(
  ctx: Context,
  accountId: string,
  { bodies, cutOff }: MappingRoutesOptions,
): Promise<ColumnMappingInput> {
  if (ctx.is('json') === false) {
    const given = ctx.get('content-type') || 'none';
    throw new RestError('UNSUPPORTED_MEDIA_TYPE', `expected content-type application/json, found ${given}`);
  }
  const limits = { limitBytes: BODY_LIMIT_BYTES, maxRatio: 1, graceBytes: BODY_LIMIT_BYTES };
  const reader = new BodyReader(ctx.req, limits, { gone: goneSignal(ctx), cutOff });
  const share = bodies.open(accountId);
  try {
    const { rest } = await readJsonBody(reader, share, {
      maxDepth: MAX_DEPTH,
      maxElements: 0,
      maxEntityBytes: BODY_LIMIT_BYTES,
    });
    const unseen = protoKeys({ body: rest });
    if (unseen.length > 0) throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', unseen);
    return validate(columnMappingInputSchema, rest);
  } finally {
    share.release();
  }
}
