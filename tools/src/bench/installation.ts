import { join } from 'node:path';
import {
  inspectStack,
  loadEnv,
  resetStack,
  stackPaths,
  startStack,
  type RunningStack,
} from '@bulk/local-stack';
import type { Database } from '@bulk/mongo';
import type { CommandContext } from '../console/command.ts';
import type { Screen } from '../console/screen.ts';
import { buildServices } from '../installation/build.ts';
import { openDatabase } from '../installation/database.ts';
import { serviceEnvironment } from '../installation/environment.ts';
import { ServiceGroup, type ServiceGroupOptions } from '../processes/service-group.ts';

const STACK = 'bench';

/** An installation for measurements: an empty stack of its own, the production build. */
export interface BenchInstallation {
  readonly stack: RunningStack;
  readonly database: Database;
  /** Starts the services. They end with the command. */
  readonly start: (options: Pick<ServiceGroupOptions, 'extraEnv' | 'instances'>) => Promise<ServiceGroup>;
}

/** Builds the services and starts the stack. */
export async function benchInstallation(
  screen: Screen,
  batchSize: number,
  { signal, releasers }: CommandContext,
): Promise<BenchInstallation> {
  const given = loadEnv();
  await screen.step(
    'build',
    () => buildServices(given, signal),
    () => '4 services',
  );
  const stack = await screen.step(
    'stack',
    async (note) => {
      await resetStack(STACK);
      const started = await startStack({ name: STACK, log: note, signal });
      releasers.push('stack', () => started.stop());
      return started;
    },
    () => 'up, empty',
  );
  const env = {
    ...serviceEnvironment(given, stack.urls),
    MONGODB_DATABASE: 'bench',
    TOPIC_PREFIX: 'bench.',
    BATCH_SIZE: String(batchSize),
  };
  const database = await openDatabase('bench', env);
  releasers.push('database', () => database.close());
  const output = (instance: string) =>
    ({ kind: 'file', path: join(stackPaths(STACK).root, 'services', `${instance}.log`) }) as const;
  const start: BenchInstallation['start'] = async (options) => {
    const services = await ServiceGroup.start({ env, mode: 'built', output, signal, ...options });
    releasers.push('services', () => services.stop());
    return services;
  };
  return { stack, database, start };
}

/** Names the database that was measured, for the reader of the figures. */
export async function mongoEngine(stack: RunningStack): Promise<string> {
  const state = (await inspectStack(stack.name))?.state.parts.mongo;
  return state?.kind === 'managed' ? state.engine : 'that of MONGODB_URI';
}

export function megabytes(bytes: number | undefined): string {
  return bytes === undefined ? 'unknown' : `${Math.round(bytes / 1_048_576)} MB`;
}
