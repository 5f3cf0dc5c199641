import type Router from '@koa/router';
import { accountQuerySchema, type WebhookSecret } from '@bulk/contracts';
import type { Webhooks } from '../webhooks/webhooks.ts';
import { accountOf } from './admission.ts';
import { succeeded } from './context.ts';
import { validate } from './validate.ts';

export interface WebhookRoutesOptions {
  readonly webhooks: Webhooks;
}

/** What the receiver of an account's webhooks verifies them with. */
export function addWebhookRoutes(router: Router, { webhooks }: WebhookRoutesOptions): void {
  router.get('/webhook-secret', async (ctx) => {
    const accountId = await accountOf(ctx, validate(accountQuerySchema, ctx.query).accountId);
    const answer: WebhookSecret = { secret: webhooks.secretOf(accountId) };
    ctx.set('cache-control', 'no-store');
    ctx.body = succeeded(answer);
  });
}
