import type Router from '@koa/router';
import type { Context } from 'koa';

/**
 * Returns the pattern of a request in the first router that has one; `undefined` if there is none.
 *
 * It looks the pattern up instead of remembering it, because a request that is refused before the
 * routers has a route too.
 */
export function routeOf(ctx: Context, routers: readonly Router[]): string | undefined {
  for (const router of routers) {
    const { pathAndMethod, path } = router.match(ctx.path, ctx.method);
    const [layer] = pathAndMethod.length > 0 ? pathAndMethod : path;
    if (layer !== undefined) return String(layer.path);
  }
  return undefined;
}
