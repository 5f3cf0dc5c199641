import { CodedError } from '@bulk/domain';
import type { Environment } from '@bulk/local-stack';
import { localStack } from './local-stack.ts';

/** Variable of each part → its name in the local stack. */
const PARTS = {
  KAFKA_BROKERS: 'kafka',
  SCHEMA_REGISTRY_URL: 'registry',
  MONGODB_URI: 'mongo',
  REDIS_URL: 'redis',
} as const;
export type PartVariable = keyof typeof PARTS;

const WITHOUT_REDIS: readonly PartVariable[] = ['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL', 'MONGODB_URI'];
/** The parts that the services need. */
export const ALL_PARTS: readonly PartVariable[] = [...WITHOUT_REDIS, 'REDIS_URL'];

/** Returns the variables of this process, and in a checkout those of `.env` as well. */
export async function environmentHere(): Promise<Environment> {
  return (await localStack())?.loadEnv() ?? process.env;
}

/**
 * Builds the environment of the running installation. Missing variables come from the running local
 * stack.
 *
 * @param needed variables that must be known. @default all except that of Redis
 * @throws CodedError `NOT_UP` if one of them is neither given nor known.
 */
export async function runningEnvironment(
  env: Environment,
  needed: readonly PartVariable[] = WITHOUT_REDIS,
): Promise<Environment> {
  const missing = needed.filter((variable) => !env[variable]);
  if (missing.length === 0) return env;
  const name = env['STACK_NAME'] || 'default';
  const stack = await localStack();
  const parts = (await stack?.inspectStack(name))?.state.parts;
  const urls = missing.map((variable): [string, string] => {
    const url = parts?.[PARTS[variable]]?.url;
    if (url !== undefined) return [variable, url];
    throw new CodedError(
      'NOT_UP',
      `${variable} is not set and the local stack ${name} is not up; start it with: npm run stack -- up`,
    );
  });
  return { ...env, ...Object.fromEntries(urls) };
}
