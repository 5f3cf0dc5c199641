import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Partitioners } from 'kafkajs';
import { murmur2, partitionOf } from './routing.ts';

const metadata = (partitions: number) =>
  Array.from({ length: partitions }, (_, partitionId) => ({
    partitionId,
    leader: 0,
    partitionErrorCode: 0,
    replicas: [0],
    isr: [0],
  }));

describe('partitionOf', () => {
  it("agrees with Kafka's default partitioner for the key entityType:entityId", () => {
    const kafka = Partitioners.DefaultPartitioner();
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 200 }), (id, partitions) => {
        const expected = kafka({
          topic: 't',
          partitionMetadata: metadata(partitions),
          message: { key: `contact:${id}`, value: null },
        });
        expect(partitionOf('contact', id, partitions)).toBe(expected);
      }),
    );
  });

  it('spreads realistic ids evenly: no partition has half or double its share', () => {
    const partitions = 12;
    const load = new Array<number>(partitions).fill(0);
    for (let i = 0; i < 12_000; i += 1) load[partitionOf('lead', `lead-${i}`, partitions)]! += 1;
    expect(Math.min(...load)).toBeGreaterThan(500);
    expect(Math.max(...load)).toBeLessThan(2_000);
  });
});

describe('murmur2', () => {
  // Reference values of org.apache.kafka.common.utils.Utils.murmur2 (Kafka's UtilsTest).
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('hashes %s to %d, as Kafka does', (text, hash) => {
    expect(murmur2(new TextEncoder().encode(text))).toBe(hash);
  });
});
