import { z } from 'zod';

const urlsSchema = z.object({
  KAFKA_BROKERS: z.string(),
  SCHEMA_REGISTRY_URL: z.url(),
  MONGODB_URI: z.string(),
  REDIS_URL: z.string(),
  KAFKA_REPLICATION_FACTOR: z.string().default('1'),
  KAFKA_MIN_INSYNC_REPLICAS: z.string().default('1'),
});

/** The addresses of the real parts, in the variables that every service reads. */
export type StackEnvironment = z.infer<typeof urlsSchema>;

/**
 * Returns the addresses of the real parts that jest's global setup started, or got by URL.
 *
 * @throws ZodError naming the missing variables if the tests run without that setup.
 */
export function testUrls(env: Readonly<Record<string, string | undefined>> = process.env): StackEnvironment {
  return urlsSchema.parse(env);
}
