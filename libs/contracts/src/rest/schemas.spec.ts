import { describe, expect, it } from '@jest/globals';
import { callbackUrlSchema } from './schemas.ts';

describe('callbackUrlSchema', () => {
  it.each([
    'https://example.com/hook?token=a',
    'http://localhost:8080/',
    'https://[::1]/x',
    'HTTPS://EXAMPLE.COM',
  ])('accepts %s', (url) => {
    expect(callbackUrlSchema.parse(url)).toBe(url);
  });

  it.each([
    ...['', 'example.com/hook', '/hook', 'ftp://example.com/', 'javascript:alert(1)', 'https://'],
    ...['https://user@example.com/', 'https://u:p@example.com/', 'https://example.com/#part', 'https://a/#'],
    `https://example.com/${'x'.repeat(2_048)}`,
    7,
    null,
  ])('refuses %p', (url) => {
    expect(callbackUrlSchema.safeParse(url).success).toBe(false);
  });
});
