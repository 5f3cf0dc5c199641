import type Router from '@koa/router';
import { currentTraceparent, describeSpan, TRACEPARENT, withSpan } from '@bulk/runtime/telemetry';
import type { Middleware } from 'koa';
import { routeOf } from './route-of.ts';

/**
 * Gives every request a span, within the caller's trace if the caller names one. Its name is the
 * route, never the path.
 */
export function traced(routers: readonly Router[]): Middleware {
  return (ctx, next) =>
    withSpan(
      ctx.method,
      {
        kind: 'server',
        parent: ctx.get(TRACEPARENT) || null,
        attributes: { 'http.request.method': ctx.method },
      },
      async () => {
        await next();
        // Without tracing, nothing is looked up.
        if (currentTraceparent() === undefined) return;
        const route = routeOf(ctx, routers);
        describeSpan(
          {
            'http.response.status_code': ctx.status,
            ...(route === undefined ? {} : { 'http.route': route }),
          },
          route === undefined ? undefined : `${ctx.method} ${route}`,
        );
      },
    );
}
