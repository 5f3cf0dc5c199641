import Router from '@koa/router';
import { OPERATIONS } from '@bulk/contracts';
import { routePath } from './http/bind.ts';
import { addControlRoutes, type ControlRoutesOptions } from './control/control-routes.ts';
import { addLogRoutes, type LogRoutesOptions } from './reading/log-routes.ts';
import { addMappingRoutes, type MappingRoutesOptions } from './mappings/mapping-routes.ts';
import { addRecordRoutes, type RecordRoutesOptions } from './records/record-routes.ts';
import { addReadRoutes, type ReadRoutesOptions } from './reading/read-routes.ts';
import { addCreateRoute, type CreateRouteOptions } from './submission/create-route.ts';
import { addRetryRoute, type RetryRouteOptions } from './submission/retry-route.ts';
import { addUndoRoute, type UndoRouteOptions } from './submission/undo-route.ts';
import { addWebhookRoutes, type WebhookRoutesOptions } from './webhooks/webhook-routes.ts';

export type RoutesOptions = CreateRouteOptions &
  ReadRoutesOptions &
  RecordRoutesOptions &
  LogRoutesOptions &
  ControlRoutesOptions &
  RetryRouteOptions &
  MappingRoutesOptions &
  UndoRouteOptions &
  WebhookRoutesOptions;

/**
 * Creates the routes of the REST API, by feature.
 *
 * @throws TypeError if an operation has no handler.
 */
export function createRouter(options: RoutesOptions): Router {
  const router = new Router();
  addCreateRoute(router, options);
  addReadRoutes(router, options);
  addLogRoutes(router, options);
  addRecordRoutes(router, options);
  addControlRoutes(router, options);
  addRetryRoute(router, options);
  addMappingRoutes(router, options);
  addUndoRoute(router, options);
  addWebhookRoutes(router, options);
  checkComplete(router);
  return router;
}

function checkComplete(router: Router): void {
  for (const { operationId, method, path } of Object.values(OPERATIONS)) {
    // The first match answers: `/bulk-actions/{id}` also matches the paths of other operations.
    const [first] = router.match(path, method.toUpperCase()).pathAndMethod;
    if (first?.path !== routePath(path)) throw new TypeError(`${operationId} has no handler of its own`);
  }
}
