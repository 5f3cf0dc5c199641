import { z } from 'zod';
import {
  checkRotatedSecret,
  faultOf,
  flag,
  rotatedSecretFile,
  rotatedSecrets,
  secretFile,
  secretOf,
  secretOfLength,
  secretText,
} from '@bulk/runtime';
import { CallbackPolicy } from './callback-policy.ts';
import { isNetwork, NetworkPolicy } from './network-policy.ts';

const SECRET = secretOfLength(32);
/** The port that is allowed if plain http is. */
const HTTP_PORT = 80;

/** Settings of every service that handles webhooks. Their values must agree. `checkWebhookConfig` checks them together. */
export const webhookConfigShape = {
  WEBHOOK_SECRET: secretText(
    SECRET,
    'Secret of the installation, from which the secret of each account is derived. Without it, the installation sends no webhooks.',
  ),
  WEBHOOK_SECRET_FILE: secretFile(
    SECRET,
    'File with the secret of the webhooks, in place of the secret itself.',
  ),
  WEBHOOK_SECRET_PREVIOUS: secretText(
    SECRET,
    'Former secret of the webhooks. During a rotation each webhook is also signed with it, for receivers that do not know the new one yet.',
  ),
  WEBHOOK_SECRET_PREVIOUS_FILE: rotatedSecretFile(
    SECRET,
    'File with the former secret of the webhooks, in place of the secret itself. An empty or missing file means that there is none.',
  ),
  WEBHOOK_ALLOW_HTTP: flag(false, 'Whether a callback URL may use plain http.'),
  WEBHOOK_ALLOWED_PORTS: z
    .string()
    .regex(/^\s*(any|\d{1,5}(\s*,\s*\d{1,5})*)\s*$/, 'expected ports separated by commas, or any')
    .transform((text) => (text.trim() === 'any' ? ('any' as const) : text.split(',').map(Number)))
    .default([443])
    .meta({
      description:
        'Ports that a callback URL may name, separated by commas. The value any allows every port.',
    }),
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
        'Networks that webhooks may reach in addition to the public internet, in CIDR notation, separated by commas.',
    }),
};

export type WebhookConfig = z.infer<z.ZodObject<typeof webhookConfigShape>>;

/**
 * Checks the settings together; for `superRefine` of a service's schema. A fault names the variable, never its value.
 */
export function checkWebhookConfig(config: WebhookConfig, context: z.RefinementCtx): void {
  checkRotatedSecret(config, 'WEBHOOK_SECRET', faultOf(context));
}

/**
 * Returns the secrets of the installation: the present one and, during a rotation, the previous one. There are none if
 * the installation has no webhooks.
 */
export function webhookSecretsOf(config: WebhookConfig): readonly string[] {
  return rotatedSecrets(secretOf(config, 'WEBHOOK_SECRET'), secretOf(config, 'WEBHOOK_SECRET_PREVIOUS'));
}

/** Returns the callback policy of a configuration. */
export function callbackPolicyOf(
  config: Pick<WebhookConfig, 'WEBHOOK_ALLOW_HTTP' | 'WEBHOOK_ALLOWED_PORTS' | 'WEBHOOK_ALLOWED_NETWORKS'>,
): CallbackPolicy {
  return new CallbackPolicy({
    networks: new NetworkPolicy(config.WEBHOOK_ALLOWED_NETWORKS ?? []),
    allowHttp: config.WEBHOOK_ALLOW_HTTP,
    ports:
      config.WEBHOOK_ALLOWED_PORTS === 'any'
        ? 'any'
        : [...config.WEBHOOK_ALLOWED_PORTS, ...(config.WEBHOOK_ALLOW_HTTP ? [HTTP_PORT] : [])],
  });
}
