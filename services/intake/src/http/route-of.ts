import type Router from '@koa/router';
import type { Context } from 'koa';

/**
 * The pattern that a request is for, of the first router that has one; undefined: there is none. Looked up rather than
 * remembered: who is refused before the routers has a route all the same.
 */
export function routeOf(ctx: Context, routers: readonly Router[]): string | undefined {
  for (const router of routers) {
    const { pathAndMethod, path } = router.match(ctx.path, ctx.method);
    const [layer] = pathAndMethod.length > 0 ? pathAndMethod : path;
    if (layer !== undefined) return String(layer.path);
  }
  return undefined;
}
