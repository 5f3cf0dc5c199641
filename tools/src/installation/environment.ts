import { replicationVariables, type Environment, type StackUrls } from '@bulk/local-stack';

/**
 * Builds the environment of services on a stack: the given one, the URLs of the real parts, and the
 * replication that its brokers allow.
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
