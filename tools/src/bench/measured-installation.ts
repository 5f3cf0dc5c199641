import { join } from 'node:path';
import { stackPaths } from '@bulk/local-stack';
import type { CommandContext } from '../console/command.ts';
import type { Screen } from '../console/screen.ts';
import type { ServiceGroup, ServiceGroupOptions } from '../processes/service-group.ts';
import { SERVICES, type ServiceName } from '../processes/services.ts';
import { benchInstallation, type BenchInstallation, type StackOption } from './installation.ts';
import { KafkaRequests } from './measure/kafka-requests.ts';
import { Meter, type Metered } from './measure/meter.ts';
import { buildBundles } from './services/bundles.ts';

/** An installation whose services count their requests and have the action type `noop`. */
export interface MeasuredInstallation extends Omit<BenchInstallation, 'start'> {
  readonly meter: Meter;
  /** Arguments to Node of the peer's processes. */
  readonly peer: readonly string[];
  /** Path of the log of an instance. */
  readonly logOf: (instance: string) => string;
  readonly start: (options?: Pick<ServiceGroupOptions, 'extraEnv' | 'instances'>) => Promise<ServiceGroup>;
}

/**
 * Starts an empty stack and builds the programs to measure.
 *
 * @param variables further variables of all services.
 * @throws CodedError `STACK_IN_USE` if the stack is in use already.
 */
export async function measuredInstallation(
  screen: Screen,
  option: StackOption,
  batchSize: number,
  context: CommandContext,
  variables: Readonly<Record<string, string>> = {},
): Promise<MeasuredInstallation> {
  const installation = await benchInstallation(screen, option, batchSize, context);
  const folder = stackPaths(installation.stack.name).root;
  const bundles = await screen.step(
    'bundles',
    () => buildBundles(join(folder, 'bundles')),
    () => 'the services with the action type noop, and the peer',
  );
  const requests = KafkaRequests.create(context);
  const meter = await Meter.open(installation.stack, requests, context);
  return {
    ...installation,
    meter,
    peer: bundles.peer,
    logOf: (instance) => join(folder, 'services', `${instance}.log`),
    start: ({ extraEnv, ...options } = {}) => {
      const envOf = (name: ServiceName): Record<string, string> => ({
        ...requests.env,
        ...variables,
        ...extraEnv?.[name],
      });
      return installation.start({
        ...options,
        args: bundles.services,
        extraEnv: Object.fromEntries(SERVICES.map((name) => [name, envOf(name)])),
      });
    },
  };
}

/** Names the processes of services that a measured installation has started. */
export function meteredOf({ members }: ServiceGroup): Metered {
  return {
    pids: new Map(members.map(({ name, pid }) => [name, pid])),
    counted: members.map(({ pid }) => pid),
  };
}
