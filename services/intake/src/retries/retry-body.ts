import { fieldIssues } from '@bulk/action-types';
import {
  correctedEntitySchema,
  retryParametersSchema,
  RestError,
  type CorrectedEntity,
} from '@bulk/contracts';
import {
  inexactNumbers,
  InvalidInputError,
  isDeeperThan,
  jsonObjectSchema,
  MAX_DEPTH,
  protoKeys,
  type FieldIssue,
} from '@bulk/domain';
import type { Context } from 'koa';
import { goneSignal } from '../http/gone-signal.ts';
import type { Budget } from '../http/budget.ts';
import type { CutOff } from '../http/stopping.ts';
import { BodyReader, JSON_GRACE_BYTES } from '../submission/body-reader.ts';
import { idempotencyKeyOf } from '../submission/idempotency-header.ts';
import { readJsonBody } from '../submission/json-body.ts';
import { MAX_COLLECTED_ISSUES, type EntityLimits, type EntityList } from '../submission/parse-request.ts';
import type { RetryDemand } from '../submission/retry-action.ts';

export interface RetryBodyOptions {
  readonly limits: EntityLimits;
  /** Maximum size of the body, in bytes. */
  readonly bodyLimitBytes: number;
  /** Maximum number of decoded bytes for each compressed byte, beyond a grace amount. */
  readonly maxCompressionRatio: number;
  /** Ends a body that is still being sent when the service stops. */
  readonly cutOff: CutOff;
  /** Bounds the bytes of JSON bodies that are held at once. */
  readonly bodies: Budget;
}

/**
 * Reads the body of a retry and passes it on; undefined if there is none. Its bytes count as held
 * until `use` has ended.
 *
 * @throws InvalidInputError that names every field at fault; RestError 413, 415, 429, 503; what
 * `use` throws.
 */
export async function withRetryBody<T>(
  ctx: Context,
  accountId: string,
  actionId: string,
  options: RetryBodyOptions,
  use: (demand: RetryDemand | undefined) => Promise<T>,
): Promise<T> {
  if (!mayHaveBody(ctx)) return use(undefined);
  const { limits, bodyLimitBytes, maxCompressionRatio, cutOff, bodies } = options;
  const reader = new BodyReader(
    ctx.req,
    { limitBytes: bodyLimitBytes, maxRatio: maxCompressionRatio, graceBytes: JSON_GRACE_BYTES },
    { gone: goneSignal(ctx), cutOff },
  );
  const share = bodies.open(accountId);
  try {
    const key = idempotencyKeyOf(ctx);
    const { bytes, rest, entities } = await readJsonBody(reader, share, {
      maxDepth: MAX_DEPTH,
      maxElements: limits.maxEntities,
      maxEntityBytes: limits.maxEntityBytes,
    });
    if (bytes.length === 0) return await use(undefined);
    checkMediaType(ctx);
    const digest = (): string => reader.digest(`retry ${actionId}`);
    const demand = { ...parsed(rest, entities, limits) };
    return await use({ ...demand, idempotency: key === undefined ? undefined : { key, digest } });
  } finally {
    share.release();
  }
}

function mayHaveBody({ req }: Context): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = req.headers;
  return encoding !== undefined || (length !== undefined && Number(length) > 0);
}

function checkMediaType(ctx: Context): void {
  if (ctx.is('json') === 'json') return;
  throw new RestError(
    'UNSUPPORTED_MEDIA_TYPE',
    `expected content-type application/json, found ${ctx.get('content-type') || 'none'}`,
  );
}

function parsed(
  body: unknown,
  entities: EntityList | undefined,
  limits: EntityLimits,
): Pick<RetryDemand, 'codes' | 'corrected'> {
  const object = jsonObjectSchema.safeParse(body);
  if (!object.success) throw invalid([{ field: '(body)', message: 'expected a JSON object' }]);
  // fromEntries, because a key may be called __proto__.
  const { entities: other, ...rest } = Object.fromEntries(Object.entries(object.data));
  const parameters = retryParametersSchema.safeParse(rest);
  const issues: FieldIssue[] = [
    ...protoKeys(rest),
    ...inexactNumbers(rest),
    ...(parameters.success ? [] : fieldIssues(parameters.error)),
  ];
  const isListed = entities !== undefined || other !== undefined;
  const corrected = isListed ? checkedEntities(entities, limits, issues) : undefined;
  if (!parameters.success || issues.length > 0) throw invalid(issues);
  return { ...parameters.data, ...(corrected === undefined ? {} : { corrected }) };
}

function checkedEntities(
  entities: EntityList | undefined,
  { maxEntities }: EntityLimits,
  issues: FieldIssue[],
): CorrectedEntity[] {
  if (entities === undefined || entities.length === 0 || entities.length > maxEntities) {
    issues.push({ field: 'entities', message: `expected a list of 1 to ${maxEntities} entities` });
    return [];
  }
  const checked: CorrectedEntity[] = [];
  let index = 0;
  for (const entity of entities) {
    const result = correctedEntitySchema.safeParse(entity);
    if (!result.success) issues.push(...fieldIssues(result.error, ['entities', index]));
    else if (isDeeperThan(entity, MAX_DEPTH))
      issues.push({
        field: `entities[${index}]`,
        message: `expected at most ${MAX_DEPTH} levels of nesting`,
      });
    if (issues.length >= MAX_COLLECTED_ISSUES) break;
    // As it was sent: zod's copy lacks a field `__proto__`, which the handler must refuse.
    checked.push(entity as CorrectedEntity);
    index += 1;
  }
  return checked;
}

function invalid(issues: readonly FieldIssue[]): InvalidInputError {
  return new InvalidInputError('INVALID_REQUEST', 'the request is invalid', issues);
}
