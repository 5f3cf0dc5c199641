import type Router from '@koa/router';
import type { ActionRegistry } from '@bulk/action-types';
import { accountQuerySchema, OPERATIONS, RestError, UPLOAD_MEDIA_TYPES } from '@bulk/contracts';
import { InvalidInputError, MAX_DEPTH } from '@bulk/domain';
import { OWN_BYTES } from '@bulk/uploads';
import type { Context } from 'koa';
import type { CreateAction, CreateResult } from './create-action.ts';
import type { CreateFiltered } from './create-filtered.ts';
import { parseCreateRequest, type EntityLimits } from './parse-request.ts';
import { BodyReader, drain, JSON_GRACE_BYTES, type BodyLimits } from './body-reader.ts';
import { openFormFile, type UploadMediaType } from './file-part.ts';
import { checkCorrectable, type CorrectedFile } from '../retries/corrected-file.ts';
import { parseCorrectedQuery } from '../retries/corrected-query.ts';
import { parseUploadQuery } from './upload-parameters.ts';
import { columnsOf, uploadedRows } from './upload-rows.ts';
import { atMost } from './at-most.ts';
import { created } from './created.ts';
import { accountOf, earlyAccountOf } from '../http/admission.ts';
import type { Budget } from '../http/budget.ts';
import { bindUnadmitted } from '../http/bind.ts';
import type { ColumnMappings } from '../mappings/column-mappings.ts';
import { rowIdentityOf } from '../matching/match-rule.ts';
import { readJsonBody } from './json-body.ts';
import { goneSignal } from '../http/gone-signal.ts';
import type { CutOff } from '../http/stopping.ts';
import { idempotencyKeyOf } from './idempotency-header.ts';
import { validate } from '../http/validate.ts';

export interface CreateRouteOptions {
  readonly createAction: CreateAction;
  readonly createFiltered: CreateFiltered;
  readonly correctedFile: CorrectedFile;
  readonly registry: ActionRegistry;
  readonly mappings: ColumnMappings;
  readonly limits: EntityLimits;
  /** Maximum size of a JSON body, which is read whole, in bytes. */
  readonly bodyLimitBytes: number;
  /** Maximum size of the decoded body of an upload, in bytes. */
  readonly uploadLimitBytes: number;
  /** Ends bodies that are still being sent when the service stops. */
  readonly cutOff: CutOff;
  /** Maximum number of decoded bytes for each compressed byte, beyond a grace amount. */
  readonly maxCompressionRatio: number;
  /** Bounds the bytes of JSON bodies that are held at once. */
  readonly bodies: Budget;
  /** Bounds the uploads that are read at once. */
  readonly uploads: Budget;
}

/** The type of a body with one file, as browsers and `curl -F` send it. */
const FORM = 'multipart/form-data';

/**
 * Decoded bytes for which the ratio does not count, because much repetition is normal in a few
 * rows.
 */
const UPLOAD_GRACE_BYTES = 16_777_216;

/**
 * Adds POST /bulk-actions: JSON with the parameters and the entities, or the entities alone as a
 * stream.
 */
export function addCreateRoute(router: Router, options: CreateRouteOptions): void {
  bindUnadmitted(router, OPERATIONS.createAction, async (ctx) => {
    try {
      return created(ctx, await createFrom(ctx, options));
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
  throw new RestError(
    'UNSUPPORTED_MEDIA_TYPE',
    `expected content-type application/json, ${UPLOAD_MEDIA_TYPES.join(', ')} or ${FORM}, found ${given}`,
  );
}

async function createFromJson(
  ctx: Context,
  key: string | undefined,
  options: CreateRouteOptions,
): Promise<CreateResult> {
  const { createAction, registry, limits, bodies, bodyLimitBytes, maxCompressionRatio } = options;
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
    const { parameters, entities, target } = await parseCreateRequest(body, limits, (given) =>
      rowIdentityOf(registry, given),
    );
    const accountId = await accountOf(ctx, jsonAccount(ctx, parameters.accountId));
    const idempotency = key === undefined ? undefined : { key, digest: () => reader.digest() };
    if (target === undefined) {
      return await createAction.execute(accountId, { parameters, entities, idempotency });
    }
    share.release();
    const request = { parameters, target, idempotency, gone: goneSignal(ctx) };
    return await options.createFiltered.execute(accountId, request);
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
  const corrected = parseCorrectedQuery(ctx.query);
  const accountId = await accountOf(
    ctx,
    corrected === undefined ? parseUploadQuery(ctx.query).parameters.accountId : corrected.accountId,
  );
  return options.uploads.within(accountId, () => stageUpload(ctx, type, accountId, key, options));
}

async function stageUpload(
  ctx: Context,
  type: UploadMediaType | typeof FORM,
  accountId: string,
  key: string | undefined,
  options: CreateRouteOptions,
): Promise<CreateResult> {
  const { createAction, correctedFile, registry, mappings, limits, uploadLimitBytes, maxCompressionRatio } =
    options;
  const corrected = parseCorrectedQuery(ctx.query);
  const parent = await correctedFile.parent(accountId, corrected);
  const { parameters, file: fileParameters } = parent ?? parseUploadQuery(ctx.query);
  const bodyLimits = {
    limitBytes: uploadLimitBytes,
    maxRatio: maxCompressionRatio,
    graceBytes: UPLOAD_GRACE_BYTES,
  };
  const body = readerOf(ctx, options, bodyLimits);
  const entityType = registry.entityType(parameters.entityType);
  const handler = registry.requestableHandler(parameters.actionType);
  const file =
    type === FORM ? await openFormFile(body.bytes(), ctx.get('content-type'), bodyLimits) : undefined;
  const mediaType = file?.mediaType ?? (type as UploadMediaType);
  if (parent !== undefined) checkCorrectable(mediaType);
  const charset = file === undefined ? ctx.request.charset || undefined : file.charset;
  const digest = (): string => (file ?? body).digest(mediaType, ctx.querystring);
  const bytes = (): AsyncGenerator<Buffer> => (file ?? body).bytes();
  const idempotency = key === undefined ? undefined : { key, digest, body: bytes };
  try {
    // The mapping may have been changed or deleted since the first request with the key.
    const replay =
      idempotency === undefined || fileParameters.mapping === undefined
        ? undefined
        : await createAction.findReplay(accountId, idempotency);
    if (replay !== undefined) return replay;
    const columns = await columnsOf(fileParameters, (name) =>
      mappings.columnsFor(accountId, name, entityType.name),
    );
    const identity = parent?.identity ?? rowIdentityOf(registry, parameters);
    const rows = uploadedRows(
      { mediaType, charset, bytes: bytes() },
      {
        file: fileParameters,
        likelyDelimiter: parent?.likelyDelimiter,
        extraRowBytes: parent === undefined ? 0 : OWN_BYTES,
        columns,
        entityType,
        identity,
        handler,
        limits,
      },
    );
    const entities = atMost(rows, limits.maxEntities);
    return parent === undefined
      ? await createAction.execute(accountId, { parameters, entities, idempotency })
      : await correctedFile.execute(parent.action, entities, idempotency);
  } finally {
    // Not awaited: a requested chunk may never arrive.
    void file?.close();
  }
}

/**
 * Returns the account that a JSON request names in its body, or in its query, as every other
 * request does.
 *
 * @throws InvalidInputError if the two differ, or if the query has another parameter. It would be
 * overlooked, and with `dryRun=true` there the action would be carried out.
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
