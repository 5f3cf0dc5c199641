import { z } from 'zod';
import { flag } from '../config.ts';
import { CallbackPolicy } from './callback-policy.ts';
import { isNetwork, NetworkPolicy } from './network-policy.ts';

const MIN_SECRET = 32;

/** Variables of every service that has to do with webhooks; they must agree. */
export const webhookConfigShape = {
  WEBHOOK_SECRET: z.string().min(MIN_SECRET, `expected at least ${MIN_SECRET} characters`).optional().meta({
    description:
      "The installation's secret, from which each account's own is derived; without it there are no webhooks.",
  }),
  WEBHOOK_ALLOW_HTTP: flag(false, 'Whether a callback URL may be plain http.'),
  WEBHOOK_ALLOWED_NETWORKS: z
    .string()
    .transform((text) => text.split(',').map((network) => network.trim()))
    .refine(
      (networks) => networks.every(isNetwork),
      'expected networks such as 10.1.0.0/16, separated by commas',
    )
    .optional()
    .meta({
      description:
        'Networks beside the public internet that webhooks may go to, in CIDR notation, separated by commas.',
    }),
};

export type WebhookConfig = z.infer<z.ZodObject<typeof webhookConfigShape>>;

/** What this configuration permits. */
export function callbackPolicyOf(
  config: Pick<WebhookConfig, 'WEBHOOK_ALLOW_HTTP' | 'WEBHOOK_ALLOWED_NETWORKS'>,
): CallbackPolicy {
  return new CallbackPolicy(
    new NetworkPolicy(config.WEBHOOK_ALLOWED_NETWORKS ?? []),
    config.WEBHOOK_ALLOW_HTTP,
  );
}
