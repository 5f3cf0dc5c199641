import type Router from '@koa/router';
import type { Context, Middleware } from 'koa';

/** Is told of requests; its functions never throw. */
export interface HttpRecorder {
  began(): void;
  /**
   * The answer is sent, or the client is gone.
   *
   * @param route the pattern that answers; undefined: there is none.
   */
  ended(request: {
    readonly method: string;
    readonly route: string | undefined;
    readonly status: number;
    readonly seconds: number;
  }): void;
}

/** Tells the recorder of each request, to the last byte of its answer. */
export function measure(recorder: HttpRecorder, routers: readonly Router[]): Middleware {
  return async (ctx, next) => {
    const startedAt = performance.now();
    recorder.began();
    ctx.res.once('close', () => {
      const seconds = (performance.now() - startedAt) / 1_000;
      recorder.ended({ method: ctx.method, route: routeOf(ctx, routers), status: ctx.status, seconds });
    });
    await next();
  };
}

/** Looked up rather than remembered: who is refused before the routers has a route all the same. */
function routeOf(ctx: Context, routers: readonly Router[]): string | undefined {
  for (const router of routers) {
    const { pathAndMethod, path } = router.match(ctx.path, ctx.method);
    const [layer] = pathAndMethod.length > 0 ? pathAndMethod : path;
    if (layer !== undefined) return String(layer.path);
  }
  return undefined;
}
