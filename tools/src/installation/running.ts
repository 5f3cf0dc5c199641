import { CodedError } from '@bulk/domain';
import { inspectStack, type Environment } from '@bulk/local-stack';

/** Variable of each part → its name in the local stack. */
const PARTS = { KAFKA_BROKERS: 'kafka', SCHEMA_REGISTRY_URL: 'registry', MONGODB_URI: 'mongo' } as const;

/**
 * The environment of the running installation: what is not given comes from the running local stack.
 *
 * @throws CodedError `NOT_UP` when a URL is neither given nor known.
 */
export async function runningEnvironment(env: Environment): Promise<Environment> {
  const missing = Object.entries(PARTS).filter(([variable]) => !env[variable]);
  if (missing.length === 0) return env;
  const name = env['STACK_NAME'] || 'default';
  const parts = (await inspectStack(name))?.state.parts;
  const urls = missing.map(([variable, part]): [string, string] => {
    const url = parts?.[part]?.url;
    if (url !== undefined) return [variable, url];
    throw new CodedError(
      'NOT_UP',
      `${variable} is not set and the local stack ${name} is not up; mend it with: npm run stack -- up`,
    );
  });
  return { ...env, ...Object.fromEntries(urls) };
}
