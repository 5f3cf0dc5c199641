import Router from '@koa/router';
import { addControlRoutes, type ControlRoutesOptions } from './control-routes.ts';
import { addCreateRoute, type CreateRouteOptions } from './create-route.ts';
import { addLogRoutes, type LogRoutesOptions } from './log-routes.ts';
import { addReadRoutes, type ReadRoutesOptions } from './read-routes.ts';
import { addWebhookRoutes, type WebhookRoutesOptions } from './webhook-routes.ts';

export type RoutesOptions = CreateRouteOptions &
  ReadRoutesOptions &
  LogRoutesOptions &
  ControlRoutesOptions &
  WebhookRoutesOptions;

/** The routes of the REST API. */
export function createRouter(options: RoutesOptions): Router {
  const router = new Router();
  addCreateRoute(router, options);
  addReadRoutes(router, options);
  addLogRoutes(router, options);
  addControlRoutes(router, options);
  addWebhookRoutes(router, options);
  return router;
}
