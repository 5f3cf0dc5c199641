import { bodyParser } from '@koa/bodyparser';
import { CodedError, InvalidInputError } from '@bulk/domain';
import type { Middleware } from 'koa';
import { HttpRefusal } from './refusals.ts';

/**
 * Reads a JSON body of at most `limitBytes` into `ctx.request.body`.
 *
 * Refuses with 415 another content type, 413 too large a body, 400 one that is not JSON.
 */
export function jsonBody(limitBytes: number): Middleware {
  const parse = bodyParser({
    enableTypes: ['json'],
    encoding: 'utf-8',
    jsonLimit: `${limitBytes}b`,
    onError: (error) => {
      throw refusalOf(error, limitBytes);
    },
  });
  return async (ctx, next) => {
    if (ctx.is('json') === false) {
      const given = ctx.get('content-type') || 'none';
      throw new HttpRefusal(
        415,
        'UNSUPPORTED_MEDIA_TYPE',
        `expected content-type application/json, found ${given}`,
      );
    }
    await parse(ctx, next);
  };
}

function refusalOf(error: Error & { status?: number; code?: string }, limitBytes: number): Error {
  if (error instanceof CodedError) return error;
  if (error.code?.startsWith('Z_') === true) {
    return new InvalidInputError('INVALID_GZIP', 'the body is not gzip, or not all of it', [
      { field: '(body)', message: `expected what content-encoding says: ${error.message}` },
    ]);
  }
  if (error.status === 413) {
    return new HttpRefusal(413, 'PAYLOAD_TOO_LARGE', `expected a body of at most ${limitBytes} bytes`);
  }
  if (error.status === 415) return new HttpRefusal(415, 'UNSUPPORTED_MEDIA_TYPE', error.message);
  if (error.status === 400) {
    return new HttpRefusal(400, 'INVALID_JSON', `the body is not a JSON object: ${error.message}`);
  }
  return error;
}
