import { RestError } from '@bulk/contracts';
import type { Middleware } from 'koa';

/** Methods that change nothing. */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Refuses changes that a web page of another site requests.
 *
 * A browser sends a form or plain text to any host that it reaches, and names the site of the page
 * in `Sec-Fetch-Site`. Other clients send no such header.
 */
export function refuseCrossSite(): Middleware {
  return async (ctx, next) => {
    if (!SAFE_METHODS.has(ctx.method) && ctx.get('sec-fetch-site') === 'cross-site') {
      throw new RestError('CROSS_SITE_REQUEST', 'a web page of another site may change nothing here');
    }
    await next();
  };
}
