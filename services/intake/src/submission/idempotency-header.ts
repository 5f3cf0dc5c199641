import { idempotencyKeySchema } from '@bulk/contracts';
import type { Context } from 'koa';
import { validate } from '../http/validate.ts';

/** Returns the Idempotency-Key of a request. @throws InvalidInputError if it has another form. */
export function idempotencyKeyOf({ req }: Pick<Context, 'req'>): string | undefined {
  const given = req.headers['idempotency-key'];
  if (given === undefined) return undefined;
  return validate(idempotencyKeySchema, { 'idempotency-key': given })['idempotency-key'];
}
