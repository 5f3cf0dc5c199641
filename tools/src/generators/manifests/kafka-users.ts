import { kafkaRights, type KafkaOperation, type KafkaUser } from '@bulk/contracts';

/** A rule of a KafkaUser of Strimzi (`spec.authorization.acls`). */
export interface KafkaUserRule {
  readonly resource: {
    readonly type: 'topic' | 'group';
    readonly name: string;
    readonly patternType: 'literal' | 'prefix';
  };
  readonly operations: readonly KafkaOperation[];
  readonly host: '*';
}

/** Returns the rules of a Kafka user, from the declared rights. @param prefix TOPIC_PREFIX of the installation. */
export function kafkaUserRules(user: KafkaUser, prefix: string): KafkaUserRule[] {
  return kafkaRights(user, prefix).map(({ resource, name, pattern, operations }) => ({
    resource: { type: resource, name, patternType: pattern === 'prefixed' ? 'prefix' : 'literal' },
    operations,
    host: '*',
  }));
}
