import { kafkaRights, SERVICES, type KafkaOperation, type KafkaUser } from '@bulk/contracts';

/** The manifest of the Kafka users in the repository, relative to the workspace root. */
export const USERS_FILE = 'deploy/k8s/users/kafka-users.yaml';

/** Everything that runs in a cluster with a Kafka user of its own. */
export const CLUSTER_USERS: readonly KafkaUser[] = [...SERVICES, 'installer', 'ops', 'keda'];

/** What the settings of an overlay replace: the first part of the names of users, topics and groups. */
const INSTALLATION = 'installation';

const HEAD = `# Made by \`npm run codegen\` of the table of rights; a test fails when it is stale. The settings of an overlay replace the
# installation, the prefix of topics and groups, the namespace and the cluster.`;

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

/** Returns Strimzi's KafkaUser of each service, of the installer, of `ops` and of KEDA. */
export function kafkaUsersText(): string {
  return `${HEAD}\n${CLUSTER_USERS.map(kafkaUser).join('---\n')}`;
}

function kafkaUser(user: KafkaUser): string {
  const rules = kafkaUserRules(user, `${INSTALLATION}.`).map(
    ({ resource: { type, name, patternType }, operations, host }) =>
      `      - resource: { type: ${type}, name: ${name}, patternType: ${patternType} }
        operations: [${operations.join(', ')}]
        host: '${host}'
`,
  );
  return `apiVersion: kafka.strimzi.io/v1
kind: KafkaUser
metadata:
  name: ${INSTALLATION}-${user}
  labels:
    strimzi.io/cluster: CLUSTER
spec:
  authentication:
    type: scram-sha-512
  authorization:
    type: simple
    acls:
${rules.join('')}`;
}
