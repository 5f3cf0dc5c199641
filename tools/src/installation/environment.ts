import { replicationVariables, type Environment, type StackUrls } from '@bulk/local-stack';

/**
 * Builds the environment of services on a stack.
 *
 * It has the given variables, the URLs of the real parts, and the replication that the brokers
 * allow.
 */
export function serviceEnvironment(env: Environment, urls: StackUrls): Environment {
  return {
    ...replicationVariables(urls),
    ...env,
    KAFKA_BROKERS: urls.kafkaBrokers,
    SCHEMA_REGISTRY_URL: urls.schemaRegistryUrl,
    MONGODB_URI: urls.mongodbUri,
    REDIS_URL: urls.redisUrl,
  };
}
