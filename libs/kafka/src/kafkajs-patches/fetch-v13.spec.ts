import { describe, expect, it } from '@jest/globals';
import createRequest from 'kafkajs/src/protocol/request.js';
import { decodeFetch, encodeFetch, FETCH, FETCH_BY_ID } from './fetch-v13.ts';

// The bytes were written by Kafka's own classes (FetchRequestData, FetchResponseData and the two
// headers of kafka-clients 4.1.1), which are generated from the schemas of the protocol.

const ONE = '000102030405060708090a0b0c0d0e0f';
const TWO = 'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff';
const IDS = new Map([
  ['one', ONE],
  ['two', TWO],
]);

const bytesOf = (...parts: readonly string[]): Buffer =>
  Buffer.from(parts.join('').replaceAll(' ', ''), 'hex');

/** The first 4 bytes of an answer are its correlation id, which kafkajs reads itself. */
const withoutCorrelationId = (answer: Buffer): Buffer => answer.subarray(4);

describe('the request', () => {
  it('has the header and the body of version 13', async () => {
    const asked = {
      maxWaitTime: 1_000,
      minBytes: 1,
      maxBytes: 5_000_000,
      rackId: 'rack-1',
      topics: [
        {
          topic: 'one',
          partitions: [
            { partition: 2, fetchOffset: '70000000000', maxBytes: 1_234 },
            { partition: 0, fetchOffset: '0', maxBytes: 1_234 },
          ],
        },
        { topic: 'two', partitions: [{ partition: 1, fetchOffset: '5', maxBytes: 1_234 }] },
      ],
    };
    const { buffer } = await createRequest({
      correlationId: 7,
      clientId: 'client',
      request: {
        apiKey: FETCH,
        apiVersion: FETCH_BY_ID,
        encode: () => Promise.resolve(encodeFetch(asked, IDS)),
      },
    });
    const expected = bytesOf(
      '0001 000d 00000007 0006636c69656e74 00',
      'ffffffff 000003e8 00000001 004c4b40 01 00000000 ffffffff 03',
      `${ONE} 03`,
      '00000002 ffffffff 000000104c533c00 ffffffff ffffffffffffffff 000004d2 00',
      '00000000 ffffffff 0000000000000000 ffffffff ffffffffffffffff 000004d2 00 00',
      `${TWO} 02`,
      '00000001 ffffffff 0000000000000005 ffffffff ffffffffffffffff 000004d2 00 00',
      '01 077261636b2d31 00',
    );
    expect(buffer.subarray(4).toString('hex')).toBe(expected.toString('hex'));
    expect(buffer.readInt32BE(0)).toBe(expected.length);
  });
});

describe('the answer', () => {
  const RECORDS =
    '0000000000000005 0000004b ffffffff 02 34270a54 0000 00000001 0000018bcfe56800 0000018bcfe56801' +
    'ffffffffffffffff ffff ffffffff 00000002 18000000026b0a666972737400 18000202010c7365636f6e6400';
  const ZIPPED =
    '0000000000000046 00000052 ffffffff 02 fb905814 0001 00000000 0000018bcfe56800 0000018bcfe56800' +
    'ffffffffffffffff ffff ffffffff 00000001' +
    '1f8b08000000000000ff9360606060e4a9ca2c28484d610000f504271b0d000000';

  it('has names, records, aborted transactions and preferred replica, and its tagged fields are skipped', async () => {
    const answer = bytesOf(
      '00000007 00',
      '0000000c 0000 00000000 03',
      `${TWO} 04`,
      '00000001 0000 0000000000000007 0000000000000007 0000000000000000',
      '02 0000000000000fa1 0000000000000006 00 00000003',
      `58 ${RECORDS}`,
      // The diverging epoch and the current leader, as tagged fields.
      '02 00 0d 00000004 0000000000000063 00 01 09 00000002 00000008 00',
      '00000000 0000 0000000000000047 0000000000000047 0000000000000000 00 ffffffff',
      `5f ${ZIPPED} 00`,
      // An empty partition.
      '00000002 0000 0000000000000000 0000000000000000 0000000000000000 00 ffffffff 01 00 00',
      `${ONE} 02`,
      // An error: everything else is null or -1.
      '00000000 0064 ffffffffffffffff ffffffffffffffff ffffffffffffffff 00 ffffffff 00 00 00',
      '00',
    );
    expect(await decodeFetch(withoutCorrelationId(answer), IDS)).toMatchObject({
      throttleTime: 0,
      clientSideThrottleTime: 12,
      errorCode: 0,
      sessionId: 0,
      responses: [
        {
          topicName: 'two',
          partitions: [
            {
              partition: 1,
              errorCode: 0,
              highWatermark: '7',
              lastStableOffset: '7',
              lastStartOffset: '0',
              abortedTransactions: [{ producerId: '4001', firstOffset: '6' }],
              preferredReadReplica: 3,
              messages: [
                { offset: '5', key: Buffer.from('k'), value: Buffer.from('first') },
                { offset: '6', key: null, value: Buffer.from('second') },
              ],
            },
            {
              partition: 0,
              highWatermark: '71',
              abortedTransactions: [],
              preferredReadReplica: -1,
              messages: [{ offset: '70', value: Buffer.from('zipped') }],
            },
            { partition: 2, errorCode: 0, highWatermark: '0', messages: [] },
          ],
        },
        {
          topicName: 'one',
          partitions: [{ partition: 0, errorCode: 100, highWatermark: '-1', messages: [] }],
        },
      ],
    });
  });

  it('has no record of a batch that is cut off by the size of the fetch', async () => {
    const cut = bytesOf(RECORDS).length - 1;
    const answer = bytesOf(
      '00 00000000 0000 00000000 02',
      `${TWO} 02`,
      '00000001 0000 0000000000000007 0000000000000007 0000000000000000 00 ffffffff',
      (cut + 1).toString(16),
      bytesOf(RECORDS).subarray(0, cut).toString('hex'),
      '00 00 00',
    );
    const { responses } = await decodeFetch(answer, IDS);
    expect(responses).toMatchObject([{ topicName: 'two', partitions: [{ messages: [] }] }]);
  });
});
