import type { KafkaOperation, KafkaRight } from '@bulk/contracts';
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  ResourcePatternTypes,
  type AclEntry,
  type Admin,
  type Kafka,
} from 'kafkajs';

const RESOURCES = { topic: AclResourceTypes.TOPIC, group: AclResourceTypes.GROUP } as const;
const PATTERNS = {
  literal: ResourcePatternTypes.LITERAL,
  prefixed: ResourcePatternTypes.PREFIXED,
} as const;
const OPERATIONS: Readonly<Record<KafkaOperation, AclOperationTypes>> = {
  Read: AclOperationTypes.READ,
  Write: AclOperationTypes.WRITE,
  Create: AclOperationTypes.CREATE,
  Delete: AclOperationTypes.DELETE,
  Describe: AclOperationTypes.DESCRIBE,
  DescribeConfigs: AclOperationTypes.DESCRIBE_CONFIGS,
  AlterConfigs: AclOperationTypes.ALTER_CONFIGS,
};

/** Returns a rule for each operation of each right. */
function rules(user: string, rights: readonly KafkaRight[]): AclEntry[] {
  return rights.flatMap(({ resource, name, pattern, operations }) =>
    operations.map((operation) => ({
      resourceType: RESOURCES[resource],
      resourceName: name,
      resourcePatternType: PATTERNS[pattern],
      principal: `User:${user}`,
      host: '*',
      operation: OPERATIONS[operation],
      permissionType: AclPermissionTypes.ALLOW,
    })),
  );
}

/** Grants rights to a Kafka user, as the client's own user. */
export function grantKafkaRights(kafka: Kafka, user: string, rights: readonly KafkaRight[]): Promise<void> {
  return withAdmin(kafka, async (admin) => {
    await admin.createAcls({ acl: rules(user, rights) });
  });
}

/** Takes rights from a Kafka user. Brokers notice it some milliseconds later. */
export function revokeKafkaRights(kafka: Kafka, user: string, rights: readonly KafkaRight[]): Promise<void> {
  return withAdmin(kafka, async (admin) => {
    await admin.deleteAcls({ filters: rules(user, rights) });
  });
}

async function withAdmin(kafka: Kafka, work: (admin: Admin) => Promise<void>): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    await work(admin);
  } finally {
    await admin.disconnect();
  }
}
