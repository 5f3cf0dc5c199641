import { KAFKA_USERS, kafkaRights, SERVICES, type KafkaUser } from '@bulk/contracts';
import { loadConfig, silentLogger } from '@bulk/runtime';
import type { TestInstallation } from '@bulk/testing';
import { install, installConfigSchema } from '@bulk/tools/install';
import type { ServiceName } from '@bulk/tools';
import { grantKafkaRights } from './kafka-acls.ts';
import { kafkaUserName } from './secure-parts.ts';

/** Builds the variables by which a process is this Kafka user. */
export function asUser(user: KafkaUser): Record<string, string> {
  return { KAFKA_SASL_USERNAME: kafkaUserName(user) };
}

/** The user of each service. Handler keeps the default of creating what is missing, which needs no right. */
export const AS_USERS: Readonly<Record<ServiceName, Readonly<Record<string, string>>>> = Object.fromEntries(
  SERVICES.map((name) => [
    name,
    {
      ...asUser(name),
      ...(name === 'handler'
        ? {}
        : { ENSURE_TOPICS: 'false', REGISTER_SCHEMAS: 'false', ENSURE_INDEXES: 'false' }),
    },
  ]),
) as Record<ServiceName, Record<string, string>>;

/** Grants each user the documented rights, and lets the installer's user create the topics. */
export async function installAsUser(installation: TestInstallation): Promise<void> {
  const { env, kafka } = installation;
  await installation.deleteTopics();
  for (const user of KAFKA_USERS)
    await grantKafkaRights(kafka, kafkaUserName(user), kafkaRights(user, env['TOPIC_PREFIX'] ?? ''));
  const config = loadConfig(installConfigSchema, { ...env, ...asUser('installer') });
  await install(config, silentLogger(), new AbortController().signal);
}
