import { describe, expect, it } from '@jest/globals';
import { CodedError } from '@bulk/domain';
import { errorFacts, scrubbed } from './error-facts.ts';

describe('the log entry of an error', () => {
  it('contains kind, code, message and causes, and no other properties', () => {
    const driver = Object.assign(
      new Error(
        'E11000 duplicate key error collection: crm.contacts index: email_1 dup key: { email: "eve@example.org" }',
      ),
      {
        code: 11_000,
        keyValue: { email: 'eve@example.org' },
        writeErrors: [{ op: { lastName: 'Secretson' } }],
      },
    );
    const facts = errorFacts(new CodedError('SOME_CODE', 'it failed', { retryable: true, cause: driver }));
    expect(facts).toMatchObject({
      type: 'CodedError',
      code: 'SOME_CODE',
      message: 'it failed',
      retryable: true,
      cause: { type: 'Error', code: '11000', message: expect.stringMatching(/index: email_1 dup key: …$/) },
    });
    expect(JSON.stringify(facts)).not.toMatch(/eve@example|Secretson/);
  });

  it('contains no credentials of a URL', () => {
    const text =
      'connect mongodb://user:p@ss:word@db.example:27017/?x=1 and redis://:secret@cache:6379 failed';
    expect(scrubbed(text)).toBe('connect mongodb://…@db.example:27017/?x=1 and redis://…@cache:6379 failed');
    expect(scrubbed('http://host/path@x and a@b')).toBe('http://host/path@x and a@b');
  });

  it('limits how far it follows a cycle of causes, and keeps other values', () => {
    const error = new Error('round');
    error.cause = error;
    expect(JSON.stringify(errorFacts(error)).match(/"message":"round"/g)).toHaveLength(6);
    expect(errorFacts('text')).toBe('text');
  });
});
