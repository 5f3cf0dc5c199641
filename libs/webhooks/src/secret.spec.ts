import { describe, expect, it } from '@jest/globals';
import { accountWebhookSecret } from './secret.ts';

const MASTER = 'm'.repeat(32);

describe('accountWebhookSecret', () => {
  it('is an HMAC of the account under the master secret', () => {
    // printf 'webhook:acme' | openssl dgst -sha256 -hmac mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm -binary | base64
    expect(accountWebhookSecret(MASTER, 'acme')).toBe('whsec_rGGRnjSEWthUgu9Pid6AVWFt7lva9oh4XLWeO8VkETM=');
  });

  it('differs for each account and installation', () => {
    const secrets = [
      accountWebhookSecret(MASTER, 'acme'),
      accountWebhookSecret(MASTER, 'acme2'),
      accountWebhookSecret('n'.repeat(32), 'acme'),
    ];
    expect(new Set(secrets).size).toBe(3);
  });
});
