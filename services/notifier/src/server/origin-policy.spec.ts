import { describe, expect, it } from '@jest/globals';
import { checkOrigin, OriginForbiddenError } from './origin-policy.ts';

const HOST = 'bulk.example.com:3001';
const ALLOWED = ['https://app.example.com', 'http://localhost:8080'];

describe('checkOrigin', () => {
  it.each([
    ['no origin', undefined],
    ['the same host', 'http://bulk.example.com:3001'],
    ['the same host on another port', 'https://bulk.example.com'],
    ['a listed origin', 'https://app.example.com'],
    ['a listed origin with a port', 'http://localhost:8080'],
  ])('permits %s', (_what, origin) => {
    expect(() => checkOrigin({ origin, host: HOST }, ALLOWED)).not.toThrow();
  });

  it.each([
    ['another host', 'https://evil.example'],
    ['a subdomain of the host', 'https://x.bulk.example.com'],
    ['a host with the same prefix', 'https://bulk.example.com.evil.example'],
    ['the host as a user', 'https://bulk.example.com@evil.example'],
    ['a listed host on another port', 'https://app.example.com:444'],
    ['a page without an origin', 'null'],
    ['two origins', 'http://bulk.example.com, https://evil.example'],
    ['no URL', 'bulk.example.com'],
    ['an empty origin', ''],
  ])('refuses %s', (_what, origin) => {
    expect(() => checkOrigin({ origin, host: HOST }, ALLOWED)).toThrow(OriginForbiddenError);
    expect(() => checkOrigin({ origin, host: undefined }, [])).toThrow(OriginForbiddenError);
  });

  it('permits every origin when the list says so', () => {
    expect(() => checkOrigin({ origin: 'https://evil.example', host: HOST }, ['*'])).not.toThrow();
  });

  it('compares IPv6 addresses', () => {
    expect(() => checkOrigin({ origin: 'http://[::1]:3000', host: '[::1]:3001' }, [])).not.toThrow();
  });
});
