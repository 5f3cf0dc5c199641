import { describe, expect, it } from '@jest/globals';
import { MESSAGES } from './messages.ts';
import {
  allTopics,
  consumerGroups,
  partitionsOf,
  retentionHoursOf,
  topicNamed,
  topicNames,
  topicsOf,
  type Topic,
} from './topics.ts';

const NAMES = topicNames('test.');
const SETTINGS = { KAFKA_LANE_PARTITIONS: 6, KAFKA_RESULTS_PARTITIONS: 4, KAFKA_RETENTION_HOURS: 168 };

function named(name: string): Topic {
  const topic = topicNamed(NAMES, name);
  if (topic === undefined) throw new Error(`there is no topic ${name}`);
  return topic;
}

describe('the table of topics', () => {
  it('keeps the name of every topic of an existing installation', () => {
    const existing = [
      'bulk.actions',
      'bulk.entity-batches.high',
      'bulk.entity-batches.normal',
      'bulk.entity-batches.low',
      'bulk.retries.short',
      'bulk.retries.medium',
      'bulk.retries.long',
      'bulk.results',
      'bulk.progress',
      'bulk.dead-letters',
    ];
    expect(allTopics(topicNames())).toEqual(expect.arrayContaining(existing));
    expect(NAMES.entityBatches.low).toBe('test.entity-batches.low');
    expect(NAMES.retries.short).toBe('test.retries.short');
    expect(NAMES.results).toBe('test.results');
  });

  it('keeps the name of every consumer group of an existing installation', () => {
    expect(consumerGroups()).toEqual({
      handler: { high: 'bulk.handler.high', normal: 'bulk.handler.normal', low: 'bulk.handler.low' },
      handlerRetries: 'bulk.handler-retries',
      statsAggregator: 'bulk.stats-aggregator',
    });
  });

  it('gives every topic and every group its own name', () => {
    const names = allTopics(NAMES);
    expect(new Set(names).size).toBe(names.length);
    const services = new Map<string, string>();
    for (const { member, consumers } of topicsOf(NAMES)) {
      for (const [service, { group }] of Object.entries(consumers)) {
        if (group === 'per-process') continue;
        const owner = services.get(group(member ?? '')) ?? service;
        services.set(group(member ?? ''), owner);
        expect(service).toBe(owner);
      }
    }
  });

  it('assigns every message to a topic', () => {
    const carried = new Set(topicsOf(NAMES).map(({ message }) => message.name));
    expect([...carried].sort()).toEqual(
      Object.values(MESSAGES)
        .map(({ name }) => name)
        .sort(),
    );
  });

  it("takes partitions and retention from the topic's setting, or else from its row", () => {
    const sizeOf = (name: string): [number, number] => [
      partitionsOf(named(name), SETTINGS),
      retentionHoursOf(named(name), SETTINGS),
    ];
    expect(sizeOf('test.actions')).toEqual([1, 168]);
    expect(sizeOf('test.entity-batches.high')).toEqual([6, 168]);
    expect(sizeOf('test.results')).toEqual([4, 168]);
    expect(sizeOf('test.progress')).toEqual([4, 1]);
  });

  it('describes the purpose of a topic for its lane', () => {
    expect(named('test.entity-batches.low').purpose).toContain('the low lane');
  });

  it('recognizes no topic of another installation', () => {
    expect(topicNamed(NAMES, 'other.results')).toBeUndefined();
  });
});
