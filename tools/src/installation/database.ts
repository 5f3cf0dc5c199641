import { CodedError } from '@bulk/domain';
import type { Environment } from '@bulk/local-stack';
import { Database, mongoConfigSchema } from '@bulk/mongo';
import { loadConfig } from '@bulk/runtime';
import { localStack } from './local-stack.ts';

/**
 * Connects to the installation's MongoDB: that of `MONGODB_URI`, else that of the running local
 * stack.
 *
 * @throws CodedError `NO_MONGODB` if there is neither; InvalidConfigError; the driver's error if
 * MongoDB does not answer.
 */
export async function openDatabase(appName: string, env: Environment): Promise<Database> {
  const uri = env['MONGODB_URI'] || (await uriOfStack(env['STACK_NAME'] || 'default'));
  return Database.connect(appName, loadConfig(mongoConfigSchema, { ...env, MONGODB_URI: uri }));
}

async function uriOfStack(name: string): Promise<string> {
  const found = await (await localStack())?.inspectStack(name);
  const url = found?.state.parts.mongo?.url;
  if (url !== undefined) return url;
  throw new CodedError(
    'NO_MONGODB',
    `MONGODB_URI is not set and the local stack ${name} is not up; start it with: npm run stack -- up`,
  );
}
