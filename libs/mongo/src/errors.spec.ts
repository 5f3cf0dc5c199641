import { describe, expect, it } from '@jest/globals';
import type { FaultKind } from '@bulk/domain';
import { MongoInvalidArgumentError, MongoNetworkError, MongoServerError } from 'mongodb';
import { brokenOff, refusing, unconfirmed } from '../test/bulk-errors.ts';
import { DUPLICATE_KEY, isStoreOutage, mongoFault, StoreError } from './errors.ts';

const server = (code: number): MongoServerError => new MongoServerError({ message: 'refused', code });
const socketError = (code: string): Error => Object.assign(new Error('socket'), { code });

describe('mongoFault', () => {
  it.each<[string, unknown, FaultKind]>([
    ['a lost connection', new MongoNetworkError('gone'), 'unreachable'],
    ['a broken pipe', socketError('EPIPE'), 'unreachable'],
    ['a bulk write whose connection ended', brokenOff(new MongoNetworkError('closed')), 'unreachable'],
    [
      'a bulk write whose connection ended after some duplicates',
      brokenOff(new MongoNetworkError('closed'), DUPLICATE_KEY),
      'unreachable',
    ],
    ['a write that no majority has confirmed', unconfirmed(64), 'election'],
    [
      'duplicates together with a write that no majority has confirmed',
      unconfirmed(64, DUPLICATE_KEY),
      'election',
    ],
    ['an unknown write concern', unconfirmed(79), 'unknown'],
    ['an invalid write concern', unconfirmed(2), 'unknown'],
    ['another primary', server(10_107), 'election'],
    ['a missing right', server(13), 'authorisation'],
    ['a bulk write without the right', brokenOff(server(13)), 'authorisation'],
    ['a rotated password', server(18), 'authentication'],
    ['a write block', server(371), 'write-block'],
    ['a write block, reported for each write', refusing(371, 371), 'write-block'],
    ['a quota', server(8_000), 'quota'],
    ['a full disk', refusing(14_031), 'disk-full'],
    ['a full disk among duplicates', refusing(DUPLICATE_KEY, 14_031), 'disk-full'],
    ['an unknown code', server(987_654), 'unknown'],
    ['a bulk write that failed with an unknown code', brokenOff(server(987_654)), 'unknown'],
    ['a single write with an unknown code', refusing(DUPLICATE_KEY, 987_654), 'request'],
    ['a single write that met a write conflict', refusing(DUPLICATE_KEY, 112), 'election'],
    ['a single write that met an error of the storage engine', refusing(8), 'unknown'],
    ['a duplicate key', refusing(DUPLICATE_KEY), 'request'],
    ['documents that break a rule or are too large', refusing(121, 10_334, 17_419), 'request'],
    ['an invalid command of the platform', server(2), 'request'],
    ['an unparsable command of the platform', server(9), 'request'],
    ['a document that the driver refuses', new MongoInvalidArgumentError('too large'), 'request'],
    ['a bug inside a bulk write', brokenOff(new TypeError('a bug')), 'request'],
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
