import { describe, expect, it } from '@jest/globals';
import { CodedError, PermanentError, RetryableError, SupersededError } from './errors.ts';
import { isRetryable } from './retryable.ts';

const coded = (code: string): Error => Object.assign(new Error('x'), { code });

describe('isRetryable', () => {
  it.each<[string, unknown]>([
    ['a coded error that says so', new CodedError('UNAVAILABLE', 'x', { retryable: true })],
    ['an entity that may pass', new RetryableError('busy')],
    ['what kafkajs marks', Object.assign(new Error('x'), { retriable: true })],
    ['what kafkajs does not mark: a missing right', Object.assign(new Error('x'), { retriable: false })],
    ['a reset connection', coded('ECONNRESET')],
    ['what fetch wraps', new TypeError('fetch failed', { cause: coded('ECONNREFUSED') })],
  ])('returns true for %s', (_, error) => {
    expect(isRetryable(error)).toBe(true);
  });

  it.each<[string, unknown]>([
    ['a coded error, whatever caused it', new CodedError('NO', 'x', { cause: coded('ECONNRESET') })],
    ['a permanent fault', new PermanentError('GONE', 'x')],
    ['a superseded write', new SupersededError('x', {})],
    ['a bug', new TypeError('cannot read "x" of undefined')],
    ['another code', coded('ENOENT')],
    ['nothing', undefined],
    ['a text', 'ECONNRESET'],
  ])('returns false for %s', (_, error) => {
    expect(isRetryable(error)).toBe(false);
  });

  it('ends when the causes form a cycle', () => {
    const a = new Error('a');
    a.cause = new Error('b', { cause: a });
    expect(isRetryable(a)).toBe(false);
  });
});

describe('RetryableError', () => {
  it('has its own code, or RETRYABLE by default', () => {
    expect(new RetryableError('x')).toMatchObject({ code: 'RETRYABLE', retryable: true });
    expect(new RetryableError('x', { code: 'QUOTA' })).toMatchObject({ code: 'QUOTA', retryable: true });
  });
});
