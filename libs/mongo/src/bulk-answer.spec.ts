import { describe, expect, it } from '@jest/globals';
import { MongoNetworkError, MongoServerError } from 'mongodb';
import { brokenOff, refusing, unconfirmed } from '../test/bulk-errors.ts';
import { answerOf } from './bulk-answer.ts';
import { DUPLICATE_KEY, StoreError } from './errors.ts';

const duplicate = (index: number, name: string) => ({
  code: DUPLICATE_KEY,
  index,
  errmsg: `E11000 duplicate key error collection: bulk.contacts index: ${name} dup key: { email: "a" }`,
});
/** Codes by which MongoDB refuses a document: listed ones, and ones that no list knows. */
const OF_DOCUMENTS = [2, 9, 121, 10_334, 17_419, 17_420, 31_034, 987_654];
/** Codes by which a single write reports a state of the server. */
const OF_THE_SERVER = [
  1, 8, 13, 24, 50, 64, 91, 112, 146, 189, 262, 371, 8_000, 10_107, 11_600, 11_602, 13_388, 14_031, 16_500,
];

describe('answerOf', () => {
  it('names every refused operation by its index, and the unique index that refused it', () => {
    const error = refusing(
      duplicate(3, 'accountId_1_email_1'),
      { code: DUPLICATE_KEY, index: 5, errmsg: 'a duplicate' },
      { code: 121, index: 8 },
    );
    expect(answerOf(error)).toEqual({
      done: -1,
      inserted: new Set(),
      refusals: new Map<number, unknown>([
        [3, { kind: 'duplicate', index: 'accountId_1_email_1' }],
        [5, { kind: 'duplicate', index: '' }],
        [8, { kind: 'document' }],
      ]),
    });
  });

  it.each(OF_DOCUMENTS)('blames the document if a single write is refused with code %d', (code) => {
    expect([...answerOf(refusing({ code, index: 4 })).refusals]).toEqual([[4, { kind: 'document' }]]);
  });

  it.each(OF_THE_SERVER)('lets only the operation fail, as an outage, that code %d names', (code) => {
    const { refusals } = answerOf(refusing(duplicate(0, 'email_1'), { code, index: 4 }));
    expect(refusals.get(0)).toEqual({ kind: 'duplicate', index: 'email_1' });
    expect(refusals.get(4)).toMatchObject({ kind: 'failed', error: { retryable: true } });
    expect(refusals.size).toBe(2);
  });

  it.each<[string, Error]>([
    ['the connection ended', brokenOff(new MongoNetworkError('closed'))],
    ['the connection ended after some refusals', brokenOff(new MongoNetworkError('closed'), 121)],
    ['the command failed', brokenOff(new MongoServerError({ message: 'stepped down', code: 189 }), 121)],
    [
      'the command failed with an unknown code',
      brokenOff(new MongoServerError({ message: '', code: 987_654 })),
    ],
    ['no majority has confirmed the writes', unconfirmed(64)],
    ['no majority has confirmed the writes, and some were refused', unconfirmed(64, 121, DUPLICATE_KEY)],
    ['the error is none of a bulk write', new MongoNetworkError('closed')],
  ])('throws an outage, because operations have no answer, if %s', (_case, error) => {
    expect(() => answerOf(error)).toThrow(StoreError);
    expect(() => answerOf(error)).toThrow(expect.objectContaining({ retryable: true }));
  });

  it('throws a permanent error if MongoDB refused the command itself', () => {
    const error = brokenOff(new MongoServerError({ message: 'unknown operator', code: 9 }));
    expect(() => answerOf(error)).toThrow(
      expect.objectContaining({ code: 'STORE_FAILED', retryable: false }),
    );
  });
});
