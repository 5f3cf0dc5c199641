import { describe, expect, it } from '@jest/globals';
import { kafkaUserRules } from './kafka-users.ts';

describe('the rules of a KafkaUser', () => {
  it('grant notifier its topic, and groups of its own by their prefix', () => {
    expect(kafkaUserRules('notifier', 'a.')).toEqual([
      {
        resource: { type: 'topic', name: 'a.progress', patternType: 'literal' },
        operations: ['Read', 'Describe'],
        host: '*',
      },
      {
        resource: { type: 'group', name: 'a.notifier-', patternType: 'prefix' },
        operations: ['Read', 'Delete', 'Describe'],
        host: '*',
      },
    ]);
  });
});
