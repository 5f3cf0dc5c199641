import { createHash } from 'node:crypto';
import type Router from '@koa/router';
import type { ActionRegistry } from '@bulk/actions';
import { accountQuerySchema, idempotencyKeySchema, UPLOAD_MEDIA_TYPES } from '@bulk/contracts';
import { InvalidInputError, type IncomingEntity } from '@bulk/domain';
import { csvEntities, ndjsonEntities } from '@bulk/uploads';
import type { Context } from 'koa';
import { toActionView } from '../actions/action-view.ts';
import type { CreateAction, CreateResult } from '../actions/create-action.ts';
import { parseCreateRequest, type EntityLimits } from '../actions/parse-request.ts';
import { drain, UploadBody } from '../upload/upload-body.ts';
import { parseUploadQuery } from '../upload/upload-parameters.ts';
import { atMost } from '../upload/at-most.ts';
import { jsonBody } from './body.ts';
import { accountOf } from './admission.ts';
import { BASE, succeeded } from './context.ts';
import { HttpRefusal } from './refusals.ts';
import { validate } from './validate.ts';

export interface CreateRouteOptions {
  readonly createAction: CreateAction;
  readonly registry: ActionRegistry;
  readonly limits: EntityLimits;
  /** Of a JSON body, which is read whole. */
  readonly bodyLimitBytes: number;
  /** Of the decoded body of an upload. */
  readonly uploadLimitBytes: number;
}

/** POST /bulk-actions: JSON with the parameters and the entities, or the entities alone as a stream. */
export function addCreateRoute(router: Router, options: CreateRouteOptions): void {
  const readJson = jsonBody(options.bodyLimitBytes);
  router.post(BASE, async (ctx) => {
    const key = idempotencyKeyOf(ctx);
    const type = ctx.is('json', ...UPLOAD_MEDIA_TYPES);
    if (type === 'application/x-ndjson' || type === 'text/csv') {
      try {
        answerCreated(ctx, await createFromUpload(ctx, type, key, options));
      } catch (error) {
        drain(ctx.req);
        throw error;
      }
    } else if (type === 'json' || type === null) {
      await readJson(ctx, async () => answerCreated(ctx, await createFromJson(ctx, key, options)));
    } else {
      const given = ctx.get('content-type') || 'none';
      throw new HttpRefusal(
        415,
        'UNSUPPORTED_MEDIA_TYPE',
        `expected content-type application/json, ${UPLOAD_MEDIA_TYPES.join(' or ')}, found ${given}`,
      );
    }
  });
}

/** The answer to a request that has brought about an action. */
export function answerCreated(ctx: Context, { action, replayed }: CreateResult): void {
  ctx.status = 202;
  ctx.set('location', `${BASE}/${action._id}`);
  if (replayed) ctx.set('idempotency-replayed', 'true');
  ctx.body = succeeded(toActionView(action));
}

async function createFromJson(
  ctx: Context,
  key: string | undefined,
  { createAction, limits }: CreateRouteOptions,
): Promise<CreateResult> {
  const { parameters, entities } = parseCreateRequest(ctx.request.body, limits);
  const accountId = await accountOf(ctx, jsonAccount(ctx, parameters.accountId));
  const digest = (): string => createHash('sha256').update(ctx.request.rawBody).digest('hex');
  return createAction.execute(accountId, {
    parameters,
    entities,
    idempotency: key === undefined ? undefined : { key, digest },
  });
}

async function createFromUpload(
  ctx: Context,
  mediaType: (typeof UPLOAD_MEDIA_TYPES)[number],
  key: string | undefined,
  { createAction, registry, limits, uploadLimitBytes }: CreateRouteOptions,
): Promise<CreateResult> {
  const { parameters, delimiter } = parseUploadQuery(ctx.query);
  const accountId = await accountOf(ctx, parameters.accountId);
  const charset = ctx.request.charset || undefined;
  const body = new UploadBody(ctx.req, uploadLimitBytes);
  const entityType = registry.entityType(parameters.entityType);
  const handler = registry.handler(parameters.actionType);
  const entities: AsyncIterable<IncomingEntity> =
    mediaType === 'text/csv'
      ? csvEntities(body.bytes(), {
          delimiter,
          charset,
          entityType,
          maxRowBytes: limits.maxEntityBytes,
          unknownColumns: (names) => handler.unknownFields?.(names, entityType) ?? [],
        })
      : ndjsonEntities(body.bytes(), { maxLineBytes: limits.maxEntityBytes, charset });
  const digest = (): string => body.digest(mediaType, ctx.querystring);
  return createAction.execute(accountId, {
    parameters,
    entities: atMost(entities, limits.maxEntities),
    idempotency: key === undefined ? undefined : { key, digest },
  });
}

/**
 * The account that a JSON request names in its body, or in its query, as every other request does.
 *
 * @throws InvalidInputError where the two differ, or where the query has another parameter: it would be overlooked, and
 * with `dryRun=true` there the action would be carried out.
 */
function jsonAccount(ctx: Context, inBody: string | undefined): string | undefined {
  const { accountId: inQuery, ...others } = ctx.query;
  const issues = Object.keys(others).map((field) => ({
    field,
    message: 'expected in the JSON body, not in the query',
  }));
  if (issues.length > 0) throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', issues);
  const { accountId } = validate(accountQuerySchema, inQuery === undefined ? {} : { accountId: inQuery });
  if (accountId !== undefined && inBody !== undefined && accountId !== inBody) {
    throw new InvalidInputError('ACCOUNT_MISMATCH', 'the request names two accounts', [
      { field: 'accountId', message: 'expected the account of the query, or none' },
    ]);
  }
  return inBody ?? accountId;
}

function idempotencyKeyOf(ctx: Context): string | undefined {
  const given = ctx.req.headers['idempotency-key'];
  if (given === undefined) return undefined;
  return validate(idempotencyKeySchema, { 'idempotency-key': given })['idempotency-key'];
}
