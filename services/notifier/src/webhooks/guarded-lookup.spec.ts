import type { LookupAddress, LookupOptions } from 'node:dns';
import { describe, expect, it } from '@jest/globals';
import { NetworkPolicy } from '@bulk/webhooks';
import { ForbiddenAddressError, guardedLookup } from './guarded-lookup.ts';

/** Returns what a lookup gives for a name that resolves to these addresses. */
function looked(
  addresses: readonly string[] | NodeJS.ErrnoException,
  options: LookupOptions = { all: true },
): unknown {
  let result: unknown;
  const lookup = guardedLookup(new NetworkPolicy(['10.1.0.0/16']), (_hostname, _options, callback) => {
    if (addresses instanceof Error) callback(addresses, []);
    else callback(null, addresses.map(asLookupAddress));
  });
  lookup('host', options, (error, address, family) => {
    result = error ?? (family === undefined ? address : { address, family });
  });
  return result;
}

function asLookupAddress(address: string): LookupAddress {
  return { address, family: address.includes(':') ? 6 : 4 };
}

describe('guardedLookup', () => {
  it('returns only the permitted addresses', () => {
    expect(looked(['127.0.0.1', '8.8.8.8', '::1', '10.1.0.1'])).toEqual([
      { address: '8.8.8.8', family: 4 },
      { address: '10.1.0.1', family: 4 },
    ]);
    expect(looked(['::1', '2606:4700::1'], {})).toEqual({ address: '2606:4700::1', family: 6 });
  });

  it.each([[['127.0.0.1']], [['::1', '169.254.169.254']], [['::ffff:10.0.0.1']], [[]]])(
    'refuses a name that resolves to %p',
    (addresses) => {
      expect(looked(addresses)).toBeInstanceOf(ForbiddenAddressError);
      expect(looked(addresses, {})).toBeInstanceOf(ForbiddenAddressError);
    },
  );

  it('checks the addresses again at each lookup', () => {
    expect(looked(['8.8.8.8'])).toEqual([{ address: '8.8.8.8', family: 4 }]);
    expect(looked(['10.0.0.1'])).toBeInstanceOf(ForbiddenAddressError);
  });

  it('refuses localhost as the local resolver resolves it', async () => {
    const lookup = guardedLookup(new NetworkPolicy([]));
    const error = await new Promise((resolve) => lookup('localhost', { all: true }, resolve));
    expect(error).toBeInstanceOf(ForbiddenAddressError);
  });

  it('passes on the error of a name that does not resolve', () => {
    const error = Object.assign(new Error('getaddrinfo ENOTFOUND host'), { code: 'ENOTFOUND' });
    expect(looked(error)).toBe(error);
  });
});
