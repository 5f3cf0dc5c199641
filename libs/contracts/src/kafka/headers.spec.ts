import { describe, expect, it } from '@jest/globals';
import { MalformedMessageError } from './malformed-message-error.ts';
import { batchNameOf, generationOf, headerText } from './headers.ts';

const ACTION = '0191c2f0-0000-7000-8000-000000000001';

describe('batchNameOf', () => {
  it('reads the headers of a batch, of a result and of a repeated send', () => {
    expect(batchNameOf({ 'action-id': Buffer.from(ACTION), 'batch-no': Buffer.from('7') })).toEqual({
      actionId: ACTION,
      batchNo: 7,
    });
    expect(batchNameOf({ 'result-id': `${ACTION}:12` })).toEqual({ actionId: ACTION, batchNo: 12 });
    expect(batchNameOf({ 'action-id': ['x', ACTION], 'batch-no': '0' })).toEqual({
      actionId: ACTION,
      batchNo: 0,
    });
  });

  it.each([
    [{}],
    [{ 'action-id': ACTION }],
    [{ 'action-id': ACTION, 'batch-no': '-1' }],
    [{ 'action-id': ACTION, 'batch-no': '99999999999' }],
    [{ 'action-id': 'not-an-id', 'batch-no': '1' }],
    [{ 'result-id': ACTION }],
    [{ 'result-id': ':1' }],
  ])('returns undefined for %j', (headers) => {
    expect(batchNameOf(headers)).toBeUndefined();
  });
});

describe('generationOf', () => {
  it('returns 0 when the header is absent', () => {
    expect(generationOf({})).toBe(0);
    expect(generationOf({ generation: Buffer.from('3') })).toBe(3);
  });

  it.each(['', '-1', '1.5', 'x', '2147483648'])('refuses "%s"', (generation) => {
    expect(() => generationOf({ generation })).toThrow(MalformedMessageError);
  });
});

describe('headerText', () => {
  it('returns the last value as text', () => {
    expect(headerText({ who: [Buffer.from('a'), 'b'] }, 'who')).toBe('b');
    expect(headerText({ who: [] }, 'who')).toBeUndefined();
  });
});
