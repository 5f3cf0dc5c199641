import { createHmac } from 'node:crypto';

/**
 * Returns the secret that signs an account's webhooks, in the notation of the Standard Webhooks specification. It is
 * derived from the installation's secret, so that nothing is stored and no account can forge the webhooks of another.
 *
 * @param master WEBHOOK_SECRET, or the previous one. Each account has one secret for each of them.
 */
export function accountWebhookSecret(master: string, accountId: string): string {
  const key = createHmac('sha256', master).update(`webhook:${accountId}`).digest('base64');
  return `${WEBHOOK_SECRET_PREFIX}${key}`;
}

/** The prefix of a secret. The base64 text of the key follows it. */
export const WEBHOOK_SECRET_PREFIX = 'whsec_';
