import { describe, expect, it } from '@jest/globals';
import { serverFrameSchema } from '@bulk/contracts';
import { CodedError, DependencyError, InvalidInputError } from '@bulk/domain';
import fc from 'fast-check';
import { errorFrame, parseClientFrame } from './frames.ts';

const ID = '01920f5e-7b2a-7c3d-8e4f-5a6b7c8d9e0f';
const parse = (text: string): unknown => parseClientFrame(Buffer.from(text), false);

function refusal(run: () => unknown): InvalidInputError {
  try {
    run();
  } catch (error) {
    if (error instanceof InvalidInputError) return error;
    throw error;
  }
  throw new Error('expected a refusal');
}

describe('parseClientFrame', () => {
  it('reads subscribe and unsubscribe', () => {
    for (const event of ['subscribe', 'unsubscribe']) {
      expect(parse(JSON.stringify({ event, data: ID }))).toEqual({ event, data: ID });
    }
  });

  it('reads subscribeAccount and unsubscribeAccount', () => {
    const since = '2026-11-24T10:00:00+01:00';
    for (const frame of [
      { event: 'subscribeAccount' },
      { event: 'subscribeAccount', data: {} },
      { event: 'subscribeAccount', data: { since } },
      { event: 'unsubscribeAccount' },
    ]) {
      expect(parse(JSON.stringify(frame))).toEqual(frame);
    }
  });

  it.each([
    ['not JSON', '{', 'INVALID_JSON', '(frame)'],
    ['empty', '', 'INVALID_JSON', '(frame)'],
    ['a list', '[]', 'INVALID_FRAME', '(frame)'],
    ['null', 'null', 'INVALID_FRAME', '(frame)'],
    ['an unknown event', JSON.stringify({ event: 'dance', data: ID }), 'INVALID_FRAME', 'event'],
    ['no event', JSON.stringify({ data: ID }), 'INVALID_FRAME', 'event'],
    ['no id', JSON.stringify({ event: 'subscribe' }), 'INVALID_FRAME', 'data'],
    ['an invalid id', JSON.stringify({ event: 'subscribe', data: 'x' }), 'INVALID_FRAME', 'data'],
    [
      'an id that is an object',
      JSON.stringify({ event: 'unsubscribe', data: { $ne: 1 } }),
      'INVALID_FRAME',
      'data',
    ],
    [
      'an id for the account',
      JSON.stringify({ event: 'subscribeAccount', data: ID }),
      'INVALID_FRAME',
      'data',
    ],
    [
      'a time without an offset',
      JSON.stringify({ event: 'subscribeAccount', data: { since: '2026-11-24T10:00:00' } }),
      'INVALID_FRAME',
      'data.since',
    ],
    [
      'unexpected data',
      JSON.stringify({ event: 'unsubscribeAccount', data: {} }),
      'INVALID_FRAME',
      '(frame)',
    ],
    ['an unknown field', JSON.stringify({ event: 'subscribe', data: ID, x: 1 }), 'INVALID_FRAME', '(frame)'],
  ])('refuses %s', (_what, text, code, field) => {
    const error = refusal(() => parse(text));
    expect([error.code, error.issues[0]?.field]).toEqual([code, field]);
    expect(error.issues[0]?.message).not.toBe('');
  });

  it('refuses a binary frame', () => {
    const bytes = Buffer.from(JSON.stringify({ event: 'subscribe', data: ID }));
    expect(refusal(() => parseClientFrame(bytes, true)).code).toBe('INVALID_FRAME');
  });

  it('refuses any other input with a coded error', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.uint8Array().map(String)), (text) => {
        expect(['INVALID_JSON', 'INVALID_FRAME']).toContain(refusal(() => parse(text)).code);
      }),
    );
  });
});

describe('errorFrame', () => {
  it.each(['unreachable', 'authorisation', 'request'] as const)(
    "reveals nothing of a driver's message when a dependency fails: %s",
    (fault) => {
      const error = new DependencyError(
        'STORE_UNAVAILABLE',
        'not authorized on crm at 10.1.2.3',
        fault,
        undefined,
      );
      const text = JSON.stringify(errorFrame(error, { actionId: ID }));
      expect(text).not.toMatch(/crm|10\.1\.2\.3/);
      expect(text).toContain('STORE_UNAVAILABLE');
      expect(text.includes('"retryable":true')).toBe(fault !== 'request');
    },
  );

  it('carries the code, the message, the action and whether a retry helps', () => {
    const frame = errorFrame(new CodedError('SOME_CODE', 'why', { retryable: true, details: { limit: 1 } }), {
      actionId: ID,
    });
    expect(serverFrameSchema.parse(frame)).toEqual({
      event: 'error',
      data: {
        code: 'SOME_CODE',
        message: 'why',
        details: { limit: 1, actionId: ID, retryable: true },
      },
    });
    expect(errorFrame(new CodedError('X', 'y'))).toEqual({
      event: 'error',
      data: { code: 'X', message: 'y' },
    });
  });
});
