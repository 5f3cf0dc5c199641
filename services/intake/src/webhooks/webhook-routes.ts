import type Router from '@koa/router';
import { OPERATIONS } from '@bulk/contracts';
import { bind } from '../http/bind.ts';
import type { Webhooks } from './webhooks.ts';

export interface WebhookRoutesOptions {
  readonly webhooks: Webhooks;
}

/** Adds the route of the secret by which a receiver verifies an account's webhooks. */
export function addWebhookRoutes(router: Router, { webhooks }: WebhookRoutesOptions): void {
  bind(router, OPERATIONS.getWebhookSecret, ({ accountId }) => ({
    data: { secret: webhooks.secretOf(accountId) },
  }));
}
