import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { workspaceRoot } from '@bulk/local-stack';
import { kafkaUserRules, kafkaUsersText, USERS_FILE } from './kafka-users.ts';

describe('the Kubernetes manifest of the Kafka users', () => {
  it('equals the output for the table of rights (else: npm run codegen)', () => {
    expect(readFileSync(join(workspaceRoot, USERS_FILE), 'utf8')).toBe(kafkaUsersText());
  });
});

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
