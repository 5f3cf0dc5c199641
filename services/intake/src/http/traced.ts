import { describeSpan, TRACEPARENT, withSpan } from '@bulk/telemetry';
import type { Context, Middleware } from 'koa';

/** Every request has a span, within the caller's trace where it names one; called by its route, never by its path. */
export function traced(): Middleware {
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
        const route = routeOf(ctx);
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

function routeOf(ctx: Context): string | undefined {
  const { _matchedRoute: route } = ctx as { _matchedRoute?: unknown };
  return typeof route === 'string' ? route : undefined;
}
