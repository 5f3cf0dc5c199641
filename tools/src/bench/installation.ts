import { join } from 'node:path';
import {
  inspectStack,
  loadEnv,
  resetStack,
  stackPaths,
  startStack,
  type Environment,
  type RunningStack,
} from '@bulk/local-stack';
import type { Database } from '@bulk/mongo';
import type { CommandContext } from '../console/command.ts';
import type { Screen } from '../console/screen.ts';
import { buildServices } from '../installation/build.ts';
import { openDatabase } from '../installation/database.ts';
import { serviceEnvironment } from '../installation/environment.ts';
import { ServiceGroup, type ServiceGroupOptions } from '../processes/service-group.ts';
import { claimStack } from './claim.ts';

/** The stack of benchmarks, unless the command names another one. */
export const DEFAULT_STACK = 'bench';

/** An option of every benchmark on an installation of its own. */
export interface StackOption {
  /** Name of the stack, which is emptied first. */
  readonly stack: string;
}

/** An installation for measurements: an empty stack of its own, the production build. */
export interface BenchInstallation {
  readonly stack: RunningStack;
  readonly database: Database;
  /** Environment of the services. */
  readonly env: Environment;
  /** Starts the services. They end with the command. */
  readonly start: (
    options: Pick<ServiceGroupOptions, 'args' | 'extraEnv' | 'instances'>,
  ) => Promise<ServiceGroup>;
}

/**
 * Builds the services and starts the stack.
 *
 * @throws CodedError `STACK_IN_USE` if the stack is in use already.
 */
export async function benchInstallation(
  screen: Screen,
  option: StackOption,
  batchSize: number,
  context: CommandContext,
): Promise<BenchInstallation> {
  const { signal, releasers } = context;
  const given = loadEnv();
  await screen.step(
    'build',
    () => buildServices(given, signal),
    () => '4 services',
  );
  const stack = await emptyStack(screen, option, context);
  const env = {
    ...serviceEnvironment(given, stack.urls),
    MONGODB_DATABASE: 'bench',
    TOPIC_PREFIX: 'bench.',
    BATCH_SIZE: String(batchSize),
  };
  const database = await openDatabase('bench', env);
  releasers.push('database', () => database.close());
  const output = (instance: string) =>
    ({ kind: 'file', path: join(stackPaths(stack.name).root, 'services', `${instance}.log`) }) as const;
  const start: BenchInstallation['start'] = async (options) => {
    const services = await ServiceGroup.start({ env, mode: 'built', output, signal, ...options });
    releasers.push('services', () => services.stop());
    return services;
  };
  return { stack, database, env, start };
}

/**
 * Claims and starts an empty stack, which ends with the command.
 *
 * @throws CodedError `STACK_IN_USE` if the stack is in use already.
 */
export async function emptyStack(
  screen: Screen,
  { stack: name }: StackOption,
  { signal, releasers }: CommandContext,
): Promise<RunningStack> {
  const release = await claimStack(name);
  releasers.push('claim', release);
  return screen.step(
    'stack',
    async (note) => {
      await resetStack(name);
      const started = await startStack({ name, log: note, signal });
      releasers.push('stack', () => started.stop());
      return started;
    },
    () => 'up, empty',
  );
}

/** Names the database that was measured, for the reader of the figures. */
export async function mongoEngine(stack: RunningStack): Promise<string> {
  const state = (await inspectStack(stack.name))?.state.parts.mongo;
  return state?.kind === 'managed' ? state.engine : 'that of MONGODB_URI';
}

export function megabytes(bytes: number | undefined): string {
  return bytes === undefined ? 'unknown' : `${Math.round(bytes / 1_048_576)} MB`;
}
