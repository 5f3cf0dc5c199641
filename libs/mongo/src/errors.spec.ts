import { describe, expect, it } from '@jest/globals';
import { MongoBulkWriteError, MongoNetworkError, MongoServerError, type BulkWriteResult } from 'mongodb';
import { isTransientMongoError, StoreError } from './errors.ts';

const noWriteErrors = Object.assign(Object.create(null) as object, {
  hasWriteErrors: () => false,
}) as unknown as BulkWriteResult;
const socketError = (code: string): Error => Object.assign(new Error('socket'), { code });

describe('isTransientMongoError', () => {
  it.each([
    new MongoNetworkError('gone'),
    new MongoServerError({ message: 'not primary', code: 10_107 }),
    new MongoBulkWriteError(new MongoNetworkError('connection 1 closed'), noWriteErrors),
    socketError('EPIPE'),
    socketError('ECONNRESET'),
  ])('holds of what passes: %p', (error) => {
    expect(isTransientMongoError(error)).toBe(true);
    expect(new StoreError(error)).toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true });
  });

  it.each([
    new MongoServerError({ message: 'duplicate key', code: 11_000 }),
    new MongoBulkWriteError(new TypeError('a bug'), noWriteErrors),
    new TypeError('a bug'),
    socketError('ENOENT'),
    'a string',
    undefined,
  ])('does not hold of what stays: %p', (error) => {
    expect(isTransientMongoError(error)).toBe(false);
    expect(new StoreError(error)).toMatchObject({ code: 'STORE_FAILED', retryable: false });
  });
});
