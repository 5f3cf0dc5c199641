import type Router from '@koa/router';
import { OPERATIONS } from '@bulk/contracts';
import { bind } from '../http/bind.ts';
import type { Webhooks } from './webhooks.ts';

export interface WebhookRoutesOptions {
  readonly webhooks: Webhooks;
}

/** What the receiver of an account's webhooks verifies them with. */
export function addWebhookRoutes(router: Router, { webhooks }: WebhookRoutesOptions): void {
  bind(router, OPERATIONS.getWebhookSecret, ({ accountId }) => ({
    data: { secret: webhooks.secretOf(accountId) },
  }));
}
