import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { MESSAGES } from '../kafka/messages.ts';
import { allTopics, topicNames } from '../kafka/topics.ts';
import { createAsyncApiDocument } from './document.ts';

const topics = topicNames('test.');
const document = z
  .looseObject({
    channels: z.record(z.string(), z.looseObject({ address: z.string(), bindings: z.unknown() })),
    operations: z.record(z.string(), z.looseObject({ action: z.enum(['send', 'receive']) })),
    components: z.object({
      messages: z.record(z.string(), z.looseObject({ summary: z.string().optional() })),
    }),
  })
  .parse(
    createAsyncApiDocument({
      topics,
      settings: { KAFKA_LANE_PARTITIONS: 6, KAFKA_RESULTS_PARTITIONS: 4, KAFKA_RETENTION_HOURS: 2 },
      version: '1.0.0',
    }),
  );
const { messages } = document.components;

describe('the AsyncAPI document', () => {
  it('has a channel for every topic and for the WebSocket', () => {
    const addresses = Object.values(document.channels).map(({ address }) => address);
    expect(addresses.sort()).toEqual([...allTopics(topics), '/'].sort());
  });

  it('contains the Avro schema of every message as registered', () => {
    for (const { name, avro } of Object.values(MESSAGES)) {
      expect(messages[name]).toMatchObject({ payload: { schema: avro } });
    }
  });

  it('describes every message and every frame', () => {
    const silent = Object.keys(messages).filter((name) => messages[name]?.summary === undefined);
    expect(silent).toEqual([]);
    expect(Object.keys(messages)).toEqual(expect.arrayContaining(['subscribe', 'error', 'actionUpdate']));
  });

  it('requires no header that a message may lack', () => {
    expect(messages['BatchResult']).toMatchObject({ headers: { required: ['result-id', 'account-id'] } });
    expect(messages['BatchResult']).toHaveProperty('headers.properties.generation');
  });

  it('says which services produce to and consume each topic', () => {
    expect(document.channels['progress']).toMatchObject({
      'x-contract': { producers: ['intake', 'stats-aggregator'], consumers: ['notifier'] },
    });
    expect(document.channels['deadLetters']).toMatchObject({ 'x-contract': { consumers: [] } });
  });

  it('says the partitions and the retention of each topic', () => {
    expect(document.channels['results']?.bindings).toMatchObject({
      kafka: { partitions: 4, topicConfiguration: { 'retention.ms': 7_200_000 } },
    });
    expect(document.channels['entityBatches.high']?.bindings).toMatchObject({ kafka: { partitions: 6 } });
  });
});
