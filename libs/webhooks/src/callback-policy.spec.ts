import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '@bulk/runtime';
import { callbackPolicyOf, webhookConfigShape } from './config.ts';
import { z } from 'zod';

const configSchema = z.object(webhookConfigShape);

function refusal(url: string, env: Readonly<Record<string, string>> = {}): string | undefined {
  return callbackPolicyOf(loadConfig(configSchema, env)).refusalOf(new URL(url));
}

describe('CallbackPolicy', () => {
  it.each([
    'https://example.com/hook',
    'https://example.com:443/?a=b',
    'https://8.8.8.8/',
    'https://[2606:4700::1]/',
  ])('permits %s', (url) => {
    expect(refusal(url)).toBeUndefined();
  });

  it.each([
    ...[
      '127.0.0.1',
      '127.1',
      '2130706433',
      '0x7f000001',
      '0x7f.1',
      '0177.0.0.1',
      '017700000001',
      '127.0.0.1.',
    ],
    ...['0', '0.0.0.0', '10.0.0.1', '169.254.169.254', '2852039166', '192.168.1.1', '１２７.0.0.1'],
    ...['[::1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:a9fe:a9fe]', '[fd00:ec2::254]', '[fe80::1]'],
    ...['[64:ff9b::a9fe:a9fe]', 'localhost', 'LOCALHOST', 'localhost.', 'a.localhost'],
  ])('refuses the host %s', (host) => {
    expect(refusal(`https://${host}/hook`)).toBe('expected a host with a public address');
  });

  it('permits plain http only if configured', () => {
    expect(refusal('http://example.com/')).toBe('expected an https URL');
    expect(refusal('http://example.com/', { WEBHOOK_ALLOW_HTTP: 'true' })).toBeUndefined();
    expect(refusal('http://10.0.0.1/', { WEBHOOK_ALLOW_HTTP: 'true' })).toBeDefined();
    expect(refusal('ftp://example.com/', { WEBHOOK_ALLOW_HTTP: 'true' })).toBe(
      'expected an http or https URL',
    );
  });

  it('permits only the configured ports', () => {
    expect(refusal('https://example.com:8443/')).toBe('expected port 443, found 8443');
    expect(refusal('http://example.com:443/', { WEBHOOK_ALLOW_HTTP: 'true' })).toBeUndefined();
    expect(refusal('https://example.com:22/', { WEBHOOK_ALLOWED_PORTS: '443, 8443' })).toBe(
      'expected port 443 or 8443, found 22',
    );
    expect(refusal('https://example.com:8443/', { WEBHOOK_ALLOWED_PORTS: '443, 8443' })).toBeUndefined();
    expect(refusal('https://example.com:1/', { WEBHOOK_ALLOWED_PORTS: 'any' })).toBeUndefined();
  });

  it('permits addresses in a configured network', () => {
    const env = { WEBHOOK_ALLOWED_NETWORKS: '10.1.0.0/16, 127.0.0.0/8' };
    expect(refusal('https://10.1.2.3/', env)).toBeUndefined();
    expect(refusal('https://localhost/', env)).toBeUndefined();
    expect(refusal('https://10.2.2.3/', env)).toBeDefined();
  });
});

describe('webhookConfigShape', () => {
  it('configures no webhooks by default', () => {
    const config = loadConfig(configSchema, {});
    expect(config).toEqual({ WEBHOOK_ALLOW_HTTP: false, WEBHOOK_ALLOWED_PORTS: [443] });
  });

  it('names what is wrong without revealing a secret', () => {
    const env = { WEBHOOK_SECRET: 'hunter2', WEBHOOK_ALLOWED_NETWORKS: '10.0.0.0/8,inside' };
    expect(() => loadConfig(configSchema, env)).toThrow(
      'invalid configuration:\n' +
        '  WEBHOOK_SECRET: expected at least 32 characters\n' +
        '  WEBHOOK_ALLOWED_NETWORKS: expected networks such as 10.1.0.0/16, separated by commas',
    );
  });
});
