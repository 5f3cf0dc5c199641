import { describe, expect, it } from '@jest/globals';
import { mayChange } from './admin-access.ts';

const TOKEN = 'correct-horse-battery-staple';
const request = (remoteAddress: string | undefined, headers: Record<string, string> = {}) => ({
  headers,
  socket: { remoteAddress },
});

describe('mayChange', () => {
  it.each(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])('permits a request from %s', (address) => {
    expect(mayChange(request(address), undefined)).toBe(true);
  });

  it.each(['10.0.0.1', '::ffff:10.0.0.1', 'fe80::1%eth0', '128.0.0.1', undefined])(
    'refuses a request from %s without the token',
    (address) => {
      expect(mayChange(request(address), undefined)).toBe(false);
      expect(mayChange(request(address), TOKEN)).toBe(false);
      expect(mayChange(request(address, { authorization: `Bearer ${TOKEN}x` }), TOKEN)).toBe(false);
      expect(mayChange(request(address, { authorization: TOKEN }), TOKEN)).toBe(false);
      expect(mayChange(request(address, { authorization: 'Bearer undefined' }), undefined)).toBe(false);
    },
  );

  it('permits a request from elsewhere with the token', () => {
    expect(mayChange(request('10.0.0.1', { authorization: `Bearer ${TOKEN}` }), TOKEN)).toBe(true);
  });

  it.each([
    ['a web page', { origin: 'https://evil.example' }],
    ['a form of a web page', { 'sec-fetch-site': 'cross-site' }],
    ['a client behind a proxy', { 'x-forwarded-for': '10.0.0.1' }],
  ])('refuses a request of %s although it comes from this machine', (_what, headers) => {
    expect(mayChange(request('127.0.0.1', headers), TOKEN)).toBe(false);
  });
});
