import { describe, expect, it } from '@jest/globals';
import { accountOf } from './account.ts';

function account(path: string, header?: string): string | undefined {
  return accountOf(
    { headers: header === undefined ? {} : { 'x-account-id': header } },
    new URL(path, 'ws://host'),
  );
}

describe('accountOf', () => {
  it('returns the account of the header, else of the query, else undefined', () => {
    expect(account('/', 'acme')).toBe('acme');
    expect(account('/?accountId=acme')).toBe('acme');
    expect(account('/?accountId=acme&accountId=acme', 'acme')).toBe('acme');
    expect(account('/')).toBeUndefined();
  });

  it.each([
    ['a bad header', '/', 'a:b', 'header x-account-id'],
    ['an empty header', '/', '', 'header x-account-id'],
    ['two headers', '/', 'acme, acme', 'header x-account-id'],
    ['a bad parameter', '/?accountId=a%20b', undefined, 'query accountId'],
    ['an empty parameter', '/?accountId=', 'acme', 'query accountId'],
    ['two that differ', '/?accountId=other', 'acme', 'query accountId'],
    ['two parameters that differ', '/?accountId=a&accountId=b', undefined, 'query accountId'],
  ])('refuses %s and names it', (_what, path, header, field) => {
    expect(() => account(path, header)).toThrow(
      expect.objectContaining({ code: 'INVALID_ACCOUNT', issues: [expect.objectContaining({ field })] }),
    );
  });
});
