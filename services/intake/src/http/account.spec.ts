import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@bulk/domain';
import { resolveAccount } from './account.ts';
import { requestIdOf } from './request-id.ts';

function refusal(header: string | undefined, parameter: string | undefined): InvalidInputError {
  try {
    resolveAccount({ header, parameter });
  } catch (error) {
    if (error instanceof InvalidInputError) return error;
  }
  throw new Error('expected a refusal');
}

describe('resolveAccount', () => {
  it('returns the account of the header, of the parameter, or of both when they agree', () => {
    expect(resolveAccount({ header: 'acme', parameter: undefined })).toBe('acme');
    expect(resolveAccount({ header: undefined, parameter: 'acme' })).toBe('acme');
    expect(resolveAccount({ header: 'acme', parameter: 'acme' })).toBe('acme');
    expect(resolveAccount({ header: '', parameter: 'acme' })).toBe('acme');
  });

  it.each([
    [undefined, undefined, 'ACCOUNT_REQUIRED', 'x-account-id'],
    ['', '', 'ACCOUNT_REQUIRED', 'x-account-id'],
    ['acme', 'other', 'ACCOUNT_MISMATCH', 'accountId'],
    ['ac:me', undefined, 'INVALID_ACCOUNT', 'x-account-id'],
    [undefined, 'ac me', 'INVALID_ACCOUNT', 'accountId'],
    ['a'.repeat(65), undefined, 'INVALID_ACCOUNT', 'x-account-id'],
  ])('fails for header %p and parameter %p with %s, naming %s', (header, parameter, code, field) => {
    expect(refusal(header, parameter)).toMatchObject({ code, issues: [{ field }] });
  });
});

describe('requestIdOf', () => {
  it('keeps a short, printable id and creates a new id otherwise', () => {
    expect(requestIdOf('req-7')).toBe('req-7');
    for (const bad of [undefined, '', 'two words', 'x'.repeat(129), 'tab\t']) {
      expect(requestIdOf(bad)).toMatch(/^[0-9a-f-]{36}$/);
    }
  });
});
