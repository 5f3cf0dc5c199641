import { RestError } from '@bulk/contracts';
import { describe, expect, it } from '@jest/globals';
import { CodedError, InvalidInputError } from '@bulk/domain';
import { toErrorResponse } from './error-response.ts';

describe('toErrorResponse', () => {
  it('names at most twenty fields of invalid input and says how many more there are', () => {
    const issues = Array.from({ length: 25 }, (_, i) => ({
      field: `entities[${i}].id`,
      message: 'expected',
    }));
    const { status, body } = toErrorResponse(
      new InvalidInputError('INVALID_REQUEST', 'the request is invalid', issues),
    );
    expect(status).toBe(400);
    expect(body.error.details).toEqual(issues.slice(0, 20));
    expect(body.error.message).toBe('the request is invalid; 5 more faults are not listed');
  });

  it('keeps the status and headers of a refusal', () => {
    const response = toErrorResponse(new RestError('METHOD_NOT_ALLOWED', 'm', { headers: { allow: 'GET' } }));
    expect(response).toMatchObject({ status: 405, headers: { allow: 'GET' }, body: { success: false } });
  });

  it('answers 503 with Retry-After when a fault is temporary', () => {
    const response = toErrorResponse(
      new CodedError('STORE_UNAVAILABLE', 'mongodb://u:secret@h', { retryable: true }),
    );
    expect(response).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    expect(JSON.stringify(response)).not.toContain('secret');
  });

  it.each([new Error('secret'), new CodedError('X', 'secret'), 'secret', undefined])(
    'reveals no internals of %p',
    (error) => {
      const response = toErrorResponse(error);
      expect(response).toMatchObject({ status: 500, body: { error: { code: 'INTERNAL' } } });
      expect(JSON.stringify(response)).not.toContain('secret');
    },
  );
});
