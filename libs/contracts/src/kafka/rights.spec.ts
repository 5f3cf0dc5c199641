import { describe, expect, it } from '@jest/globals';
import { KAFKA_USERS, kafkaRights, topicsOfService, type KafkaUser } from './rights.ts';
import { SERVICES } from './topic-table.ts';
import { topicNames } from './topics.ts';

const compact = (user: KafkaUser): Record<string, string> =>
  Object.fromEntries(
    kafkaRights(user, '').map(({ resource, name, operations }) => [`${resource} ${name}`, operations.join()]),
  );

describe('the Kafka rights', () => {
  it('give stats-aggregator what it consumes, sends and observes', () => {
    expect(compact('stats-aggregator')).toEqual({
      'topic results': 'Read,Describe',
      'topic progress': 'Write,Describe',
      'topic dead-letters': 'Write,Describe',
      'group stats-aggregator': 'Read,Describe',
    });
  });

  it('let intake see how far the groups of others are, and no more', () => {
    const {
      'topic results': topic,
      'group handler.high': lane,
      'group stats-aggregator': results,
    } = compact('intake');
    expect([topic, lane, results]).toEqual(['Describe', 'Describe', 'Describe']);
  });

  it('let KEDA see the scaled groups only', () => {
    expect(Object.keys(compact('keda')).filter((name) => name.startsWith('group'))).toEqual([
      'group handler.high',
      'group handler.normal',
      'group handler.low',
      'group stats-aggregator',
    ]);
  });

  it('name each resource once, below the prefix', () => {
    for (const user of KAFKA_USERS) {
      const rights = kafkaRights(user, 'p.');
      const names = rights.map(({ resource, name }) => `${resource} ${name}`);
      expect([user, new Set(names).size]).toEqual([user, names.length]);
      expect(rights.every(({ name }) => name.startsWith('p.'))).toBe(true);
    }
  });

  it('let only the installer and the commands of operators create topics', () => {
    const creators = KAFKA_USERS.filter((user) =>
      kafkaRights(user, '').some(({ operations }) => operations.includes('Create')),
    );
    expect(creators).toEqual(['installer', 'ops']);
  });

  it('cover every topic that a service uses', () => {
    for (const service of SERVICES) {
      const named = new Set(kafkaRights(service, '').map(({ name }) => name));
      for (const { name } of topicsOfService(topicNames(''), service)) expect(named).toContain(name);
    }
  });
});
