import type { KafkaOperation, KafkaRight } from '@bulk/contracts';
import type { AclEntry, Admin, Kafka } from 'kafkajs';

// The numbers of Kafka's protocol. Node does not find the enums of kafkajs among the exports of a CommonJS module.
const RESOURCES = { topic: 2, group: 3 } as const;
const PATTERNS = { literal: 3, prefixed: 4 } as const;
const ALLOW = 3;
const OPERATIONS = {
  Read: 3,
  Write: 4,
  Create: 5,
  Delete: 6,
  Describe: 8,
  DescribeConfigs: 10,
  AlterConfigs: 11,
} as const satisfies Readonly<Record<KafkaOperation, number>>;

/** One rule of a right: one operation on its resource. */
function rules(user: string, rights: readonly KafkaRight[]): AclEntry[] {
  const entries = rights.flatMap(({ resource, name, pattern, operations }) =>
    operations.map((operation) => ({
      resourceType: RESOURCES[resource],
      resourceName: name,
      resourcePatternType: PATTERNS[pattern],
      principal: `User:${user}`,
      host: '*',
      operation: OPERATIONS[operation],
      permissionType: ALLOW,
    })),
  );
  return entries as AclEntry[];
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
