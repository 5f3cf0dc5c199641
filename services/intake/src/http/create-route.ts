import type Router from '@koa/router';
import type { ActionRegistry } from '@bulk/actions';
import { accountQuerySchema, idempotencyKeySchema, UPLOAD_MEDIA_TYPES } from '@bulk/contracts';
import { InvalidInputError, MAX_DEPTH, type IncomingEntity } from '@bulk/domain';
import { csvEntities, ndjsonEntities } from '@bulk/uploads';
import type { Context } from 'koa';
import { toActionView } from '../actions/action-view.ts';
import type { CreateAction, CreateResult } from '../actions/create-action.ts';
import { parseCreateRequest, type EntityLimits } from '../actions/parse-request.ts';
import { BodyReader, drain, type BodyLimits } from '../upload/body-reader.ts';
import { openFormFile, type UploadMediaType } from '../upload/file-part.ts';
import { parseUploadQuery } from '../upload/upload-parameters.ts';
import { atMost } from '../upload/at-most.ts';
import { accountOf, earlyAccountOf } from './admission.ts';
import type { Budget } from './budget.ts';
import { BASE, succeeded } from './context.ts';
import { readJsonBody } from './json-body.ts';
import { quotaHeaders } from './quota-headers.ts';
import { HttpRefusal } from './refusals.ts';
import type { CutOff } from './stopping.ts';
import { validate } from './validate.ts';

export interface CreateRouteOptions {
  readonly createAction: CreateAction;
  readonly registry: ActionRegistry;
  readonly limits: EntityLimits;
  /** Of a JSON body, which is read whole. */
  readonly bodyLimitBytes: number;
  /** Of the decoded body of an upload. */
  readonly uploadLimitBytes: number;
  /** Ends bodies that are still being sent when the service stops. */
  readonly cutOff: CutOff;
  /** Most decoded bytes for each compressed byte, beyond some for which it does not count. */
  readonly maxCompressionRatio: number;
  /** The bytes of JSON bodies that are held at once. */
  readonly bodies: Budget;
  /** Uploads at once. */
  readonly uploads: Budget;
}

/** A body with one file, as browsers and `curl -F` send it. */
const FORM = 'multipart/form-data';

/** Decoded bytes for which the ratio does not count: much repetition is normal in a few rows. */
const JSON_GRACE_BYTES = 1_048_576;
const UPLOAD_GRACE_BYTES = 16_777_216;

/** POST /bulk-actions: JSON with the parameters and the entities, or the entities alone as a stream. */
export function addCreateRoute(router: Router, options: CreateRouteOptions): void {
  router.post(BASE, async (ctx) => {
    try {
      answerCreated(ctx, await createFrom(ctx, options));
    } catch (error) {
      drain(ctx.req);
      throw error;
    }
  });
}

function createFrom(ctx: Context, options: CreateRouteOptions): Promise<CreateResult> {
  const key = idempotencyKeyOf(ctx);
  const type = ctx.is('json', FORM, ...UPLOAD_MEDIA_TYPES);
  if (type === 'application/x-ndjson' || type === 'text/csv' || type === FORM)
    return createFromUpload(ctx, type, key, options);
  if (type === 'json' || type === null) return createFromJson(ctx, key, options);
  const given = ctx.get('content-type') || 'none';
  throw new HttpRefusal(
    415,
    'UNSUPPORTED_MEDIA_TYPE',
    `expected content-type application/json, ${UPLOAD_MEDIA_TYPES.join(', ')} or ${FORM}, found ${given}`,
  );
}

/** Aborts when the client is gone before its answer was sent. */
function goneSignal({ res }: Context): AbortSignal {
  const gone = new AbortController();
  const look = (): void => {
    if (!res.writableFinished) gone.abort(new Error('the client is gone'));
  };
  if (res.closed) look();
  else res.once('close', look);
  return gone.signal;
}

/** The answer to a request that has brought about an action. */
export function answerCreated(ctx: Context, { action, replayed, quotas = [] }: CreateResult): void {
  ctx.status = 202;
  ctx.set(quotaHeaders(quotas, new Date()));
  ctx.set('location', `${BASE}/${action._id}`);
  if (replayed) ctx.set('idempotency-replayed', 'true');
  ctx.body = succeeded(toActionView(action));
}

async function createFromJson(
  ctx: Context,
  key: string | undefined,
  options: CreateRouteOptions,
): Promise<CreateResult> {
  const { createAction, limits, bodies, bodyLimitBytes, maxCompressionRatio } = options;
  const reader = readerOf(ctx, options, {
    limitBytes: bodyLimitBytes,
    maxRatio: maxCompressionRatio,
    graceBytes: JSON_GRACE_BYTES,
  });
  const share = bodies.open(earlyAccountOf(ctx));
  try {
    const body = await readJsonBody(reader, share, {
      maxDepth: MAX_DEPTH,
      maxElements: limits.maxEntities,
      maxEntityBytes: limits.maxEntityBytes,
    });
    const { parameters, entities } = await parseCreateRequest(body, limits);
    const accountId = await accountOf(ctx, jsonAccount(ctx, parameters.accountId));
    return await createAction.execute(accountId, {
      parameters,
      entities,
      idempotency: key === undefined ? undefined : { key, digest: () => reader.digest() },
    });
  } finally {
    share.release();
  }
}

function readerOf(ctx: Context, { cutOff }: CreateRouteOptions, limits: BodyLimits): BodyReader {
  return new BodyReader(ctx.req, limits, { gone: goneSignal(ctx), cutOff });
}

async function createFromUpload(
  ctx: Context,
  type: UploadMediaType | typeof FORM,
  key: string | undefined,
  options: CreateRouteOptions,
): Promise<CreateResult> {
  const { parameters } = parseUploadQuery(ctx.query);
  const accountId = await accountOf(ctx, parameters.accountId);
  const place = options.uploads.open(accountId);
  try {
    place.take(1);
    return await stageUpload(ctx, type, accountId, key, options);
  } finally {
    place.release();
  }
}

async function stageUpload(
  ctx: Context,
  type: UploadMediaType | typeof FORM,
  accountId: string,
  key: string | undefined,
  options: CreateRouteOptions,
): Promise<CreateResult> {
  const { createAction, registry, limits, uploadLimitBytes, maxCompressionRatio } = options;
  const { parameters, delimiter } = parseUploadQuery(ctx.query);
  const bodyLimits = {
    limitBytes: uploadLimitBytes,
    maxRatio: maxCompressionRatio,
    graceBytes: UPLOAD_GRACE_BYTES,
  };
  const body = readerOf(ctx, options, bodyLimits);
  const entityType = registry.entityType(parameters.entityType);
  const handler = registry.handler(parameters.actionType);
  const file =
    type === FORM ? await openFormFile(body.bytes(), ctx.get('content-type'), bodyLimits) : undefined;
  const mediaType = file?.mediaType ?? (type as UploadMediaType);
  const charset = file === undefined ? ctx.request.charset || undefined : file.charset;
  const bytes = (file ?? body).bytes();
  // As many lines as there may be entities: every second line of a file may be empty.
  const maxEmptyLines = limits.maxEntities;
  const entities: AsyncIterable<IncomingEntity> =
    mediaType === 'text/csv'
      ? csvEntities(bytes, {
          delimiter,
          charset,
          entityType,
          maxRowBytes: limits.maxEntityBytes,
          maxEmptyLines,
          unknownColumns: (names) => handler.unknownFields?.(names, entityType) ?? [],
        })
      : ndjsonEntities(bytes, { maxLineBytes: limits.maxEntityBytes, maxEmptyLines, charset });
  const digest = (): string => (file ?? body).digest(mediaType, ctx.querystring);
  try {
    return await createAction.execute(accountId, {
      parameters,
      entities: atMost(entities, limits.maxEntities),
      idempotency: key === undefined ? undefined : { key, digest },
    });
  } finally {
    // Not awaited: a chunk that is asked for may never come.
    void file?.close();
  }
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
