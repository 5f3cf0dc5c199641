import { randomUUID } from 'node:crypto';
import type { Database } from '@bulk/mongo';
import type { ServiceContext } from '@bulk/runtime';
import { callbackPolicyOf, webhookSecretsOf } from '@bulk/webhooks';
import type { DeliveryConfig } from './config.ts';
import { guardedLookup } from './guarded-lookup.ts';
import { WebhookDelivery } from './webhook-delivery.ts';
import type { WebhookRecorder } from './webhook-recorder.ts';
import { WebhookSender } from './webhook-sender.ts';
import { WebhookStore } from './webhook-store.ts';

/** The delivery of webhooks, as the rest of notifier sees it. */
export type WebhookWorker = Pick<WebhookDelivery, 'start' | 'wake' | 'stop'>;

const NO_WEBHOOKS: WebhookWorker = {
  start: () => undefined,
  wake: () => undefined,
  stop: () => Promise.resolve(),
};

/**
 * Creates the delivery of webhooks from the configuration. Without WEBHOOK_SECRET it does nothing.
 */
export function createWebhookDelivery(
  config: DeliveryConfig,
  database: Database,
  { log, signal }: Pick<ServiceContext, 'log' | 'signal'>,
  recorder: WebhookRecorder,
): WebhookWorker {
  const masterSecrets = webhookSecretsOf(config);
  if (masterSecrets.length === 0) return NO_WEBHOOKS;
  const now = (): Date => new Date();
  const policy = callbackPolicyOf(config);
  const timeoutMs = config.WEBHOOK_TIMEOUT_MS;
  const leaseMs = timeoutMs + config.WEBHOOK_LEASE_MARGIN_MS;
  return new WebhookDelivery({
    store: new WebhookStore(database, leaseMs, now),
    sender: new WebhookSender({
      policy,
      lookup: guardedLookup(policy.networks),
      timeoutMs,
      maxResponseBytes: config.WEBHOOK_MAX_RESPONSE_BYTES,
      onUnanswered: (error) => log.debug({ err: error }, 'Webhook got no answer'),
    }),
    masterSecrets,
    instanceId: randomUUID(),
    pollMs: config.WEBHOOK_POLL_MS,
    concurrency: config.WEBHOOK_CONCURRENCY,
    accountConcurrency: config.WEBHOOK_ACCOUNT_CONCURRENCY,
    retry: {
      maxAttempts: config.WEBHOOK_MAX_ATTEMPTS,
      backoff: {
        initialDelayMs: config.WEBHOOK_INITIAL_DELAY_MS,
        maxDelayMs: config.WEBHOOK_MAX_DELAY_MS,
      },
    },
    leaseMs,
    timeoutMs,
    stopMs: config.WEBHOOK_STOP_MS,
    signal,
    monotonic: () => performance.now(),
    now,
    recorder,
    log,
  });
}
