import type { KafkaOperation, KafkaRight } from '@bulk/contracts';
import { DependencyError } from '@bulk/domain';
import type { Kafka } from 'kafkajs';
import { groupOperations } from './group-operations.ts';
import { onRawCluster } from './raw-cluster.ts';
import { describeTopics } from './topic-descriptions.ts';

/** Where the rights of each user are listed. */
const REFERENCE = 'docs/operations/rights.md';

/** Thrown at start if the Kafka user of the service lacks a right. The message names the resource and the right. */
export class KafkaRightsError extends DependencyError {
  constructor(missing: readonly KafkaRight[]) {
    const each = missing.map(
      ({ resource, name, operations }) => `${operations.join(', ')} on ${resource} ${name}`,
    );
    super(
      'KAFKA_RIGHTS_MISSING',
      `the Kafka user lacks ${each.join('; ')} (see ${REFERENCE})`,
      'authorisation',
      undefined,
    );
  }
}

/** The bit of an operation in what a broker answers. */
const BITS: Readonly<Record<KafkaOperation, number>> = {
  Read: 1 << 3,
  Write: 1 << 4,
  Create: 1 << 5,
  Delete: 1 << 6,
  Describe: 1 << 8,
  DescribeConfigs: 1 << 10,
  AlterConfigs: 1 << 11,
};

/**
 * Checks that the user of this client has these rights. A right on a prefix is checked for a name that no other process
 * uses. A right of which the broker does not say whether it is there passes, for example on a topic that another service
 * has not created yet.
 *
 * @throws KafkaRightsError that names every missing right.
 * @throws kafkajs' error if the broker does not answer.
 */
export async function checkKafkaRights(kafka: Kafka, rights: readonly KafkaRight[]): Promise<void> {
  const missing = await onRawCluster(kafka, async (cluster) => {
    const topics = rights.filter(({ resource }) => resource === 'topic');
    const broker = await cluster.brokerPool.findConnectedBroker();
    const names = topics.map(({ name }) => name);
    const described = await describeTopics(broker, names, true);
    const lacking: KafkaRight[] = [];
    for (const right of topics) {
      const found = described?.get(right.name);
      if (isDenied(found?.error)) lacking.push(right);
      else if (found?.error === undefined) lacking.push(...lackingOf(right, found?.operations));
    }
    for (const right of rights.filter(({ resource }) => resource === 'group')) {
      const group = right.pattern === 'prefixed' ? `${right.name}check` : right.name;
      lacking.push(...lackingOf(right, await groupOperations(cluster, group)));
    }
    return lacking;
  });
  if (missing.length > 0) throw new KafkaRightsError(missing);
}

/** @param allowed a bit field; undefined if it is unknown. */
function lackingOf(right: KafkaRight, allowed: number | undefined): KafkaRight[] {
  if (allowed === undefined) return [];
  const operations = right.operations.filter((operation) => (allowed & BITS[operation]) === 0);
  return operations.length === 0 ? [] : [{ ...right, operations }];
}

function isDenied(error: Error | undefined): boolean {
  return error !== undefined && 'type' in error && error.type === 'TOPIC_AUTHORIZATION_FAILED';
}
