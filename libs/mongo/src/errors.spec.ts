import { describe, expect, it } from '@jest/globals';
import type { FaultKind } from '@bulk/domain';
import {
  MongoBulkWriteError,
  MongoInvalidArgumentError,
  MongoNetworkError,
  MongoServerError,
  type BulkWriteResult,
} from 'mongodb';
import { DUPLICATE_KEY, isStoreOutage, mongoFault, StoreError } from './errors.ts';

/** The driver's error if writes were refused, each for its own reason. */
function resultWith(...codes: readonly number[]): BulkWriteResult {
  return Object.assign(Object.create(null) as object, {
    hasWriteErrors: () => codes.length > 0,
    getWriteErrors: () => codes.map((code, index) => ({ code, index })),
  }) as unknown as BulkWriteResult;
}
const bulk = (...codes: readonly number[]): MongoBulkWriteError =>
  new MongoBulkWriteError({ message: 'refused', code: codes[0] ?? 0 }, resultWith(...codes));
const server = (code: number): MongoServerError => new MongoServerError({ message: 'refused', code });
const socketError = (code: string): Error => Object.assign(new Error('socket'), { code });

describe('mongoFault', () => {
  it.each<[string, unknown, FaultKind]>([
    ['a lost connection', new MongoNetworkError('gone'), 'unreachable'],
    ['a broken pipe', socketError('EPIPE'), 'unreachable'],
    [
      'a bulk write whose connection ended',
      new MongoBulkWriteError(new MongoNetworkError('connection 1 closed'), resultWith()),
      'unreachable',
    ],
    ['another primary', server(10_107), 'election'],
    ['a missing right', server(13), 'authorisation'],
    ['a bulk write without the right', new MongoBulkWriteError(server(13), resultWith()), 'authorisation'],
    ['a rotated password', server(18), 'authentication'],
    ['a write block', server(371), 'write-block'],
    ['a write block, reported for each write', bulk(371, 371), 'write-block'],
    ['a quota', server(8_000), 'quota'],
    ['a full disk', bulk(14_031), 'disk-full'],
    ['a full disk among duplicates', bulk(DUPLICATE_KEY, 14_031), 'disk-full'],
    ['an unknown code', server(987_654), 'unknown'],
    ['a write with an unknown code', bulk(DUPLICATE_KEY, 987_654), 'unknown'],
    ['a duplicate key', bulk(DUPLICATE_KEY), 'request'],
    ['documents that break a rule or are too large', bulk(121, 10_334, 17_419), 'request'],
    ['an invalid command of the platform', server(2), 'request'],
    ['an unparsable command of the platform', server(9), 'request'],
    ['a document that the driver refuses', new MongoInvalidArgumentError('too large'), 'request'],
    ['a bug inside a bulk write', new MongoBulkWriteError(new TypeError('a bug'), resultWith()), 'request'],
    ['a bug', new TypeError('a bug'), 'request'],
    ['a missing file', socketError('ENOENT'), 'request'],
    ['a text', 'a string', 'request'],
    ['nothing', undefined, 'request'],
  ])('classifies %s', (_, error, fault) => {
    expect(mongoFault(error)).toBe(fault);
    expect(isStoreOutage(error)).toBe(fault !== 'request');
    expect(new StoreError(error)).toMatchObject(
      fault === 'request'
        ? { code: 'STORE_FAILED', retryable: false }
        : { code: 'STORE_UNAVAILABLE', retryable: true },
    );
  });
});
