import { createHmac } from 'node:crypto';

/**
 * The secret that an account's webhooks are signed with, in the notation of the Standard Webhooks specification. Derived
 * from the installation's own, so that nothing is stored and no account can forge the webhooks of another.
 *
 * @param master WEBHOOK_SECRET; who changes it changes the secret of every account.
 */
export function accountWebhookSecret(master: string, accountId: string): string {
  const key = createHmac('sha256', master).update(`webhook:${accountId}`).digest('base64');
  return `${WEBHOOK_SECRET_PREFIX}${key}`;
}

/** What the text of a secret begins with; the key is the base64 behind it. */
export const WEBHOOK_SECRET_PREFIX = 'whsec_';
