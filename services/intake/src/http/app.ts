import { REQUEST_ID_HEADER, RestError } from '@bulk/contracts';
import type Router from '@koa/router';
import type { Logger } from '@bulk/runtime';
import Koa, { type Context, type Middleware } from 'koa';
import { refuseCrossSite } from './cross-site.ts';
import { toErrorResponse } from './error-response.ts';
import { ClientGoneError } from './gone-signal.ts';
import { measure, type HttpRecorder } from './measure.ts';
import { requestIdOf } from './request-id.ts';
import { ServiceStoppingError } from './stopping.ts';
import { traced } from './traced.ts';

export interface AppOptions {
  readonly router: Router;
  /** The documentation of the API, open to everyone. */
  readonly documentation: Router;
  /** Admits requests before anything but their headers is read. */
  readonly admit: Middleware;
  readonly recorder: HttpRecorder;
  readonly log: Logger;
}

/** Creates the REST API and its documentation, with the envelope of every answer. */
export function createApp({ router, documentation, admit, recorder, log }: AppOptions): Koa {
  const app = new Koa();
  const routers = [documentation, router];
  app.use(traced(routers));
  app.use(measure(recorder, routers));
  app.use(envelope(log));
  app.use(refuseUnrouted());
  app.use(refuseCrossSite());
  app.use(documentation.routes());
  app.use(admit);
  app.use(router.routes());
  app.use(router.allowedMethods());
  // Only a broken socket still leads here, which the client has noticed itself.
  app.on('error', (error: Error) => log.debug({ err: error }, 'Response not sent'));
  return app;
}

/** Gives every request its id and every error its envelope, and logs the server's own failures. */
function envelope(log: Logger): Middleware {
  return async (ctx, next) => {
    const requestId = requestIdOf(ctx.get(REQUEST_ID_HEADER) || undefined);
    ctx.set(REQUEST_ID_HEADER, requestId);
    const startedAt = performance.now();
    const facts = (): Record<string, unknown> => ({
      requestId,
      method: ctx.method,
      path: ctx.path,
      status: ctx.status,
      ms: Math.round(performance.now() - startedAt),
    });
    try {
      await next();
      log.debug(facts(), 'Request answered');
    } catch (error) {
      const { status, headers, body } = toErrorResponse(error);
      ctx.set(headers);
      ctx.status = status;
      ctx.body = body;
      // An outage ends by itself. Only an unforeseen error needs an operator.
      if (error instanceof ServiceStoppingError)
        log.info(facts(), 'Request refused: the service is stopping');
      else if (error instanceof ClientGoneError) log.debug(facts(), 'Request left by its client');
      else if (status === 503) log.warn({ ...facts(), err: error }, 'Request failed; dependency unavailable');
      else if (status >= 500) log.error({ ...facts(), err: error }, 'Request failed');
      else log.debug({ ...facts(), code: body.error.code }, 'Request refused');
    }
  };
}

function refuseUnrouted(): Middleware {
  return async (ctx, next) => {
    await next();
    if (hasBody(ctx)) return;
    if (ctx.status === 404) {
      throw new RestError('NOT_FOUND', `there is nothing at ${ctx.method} ${ctx.path}`);
    }
    // The router answers 501 for a method that it does not know, such as TRACE. That is the
    // client's fault, too.
    if (ctx.status === 405 || ctx.status === 501) {
      const allow = ctx.response.get('allow');
      throw new RestError('METHOD_NOT_ALLOWED', `${ctx.method} is not allowed: expected one of ${allow}`, {
        headers: { allow },
      });
    }
  };
}

function hasBody(ctx: Context): boolean {
  return ctx.body !== undefined && ctx.body !== null;
}
