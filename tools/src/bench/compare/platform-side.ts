import { contact } from '@bulk/action-types';
import { BulkClient } from '@bulk/client';
import { CodedError } from '@bulk/domain';
import type { CommandContext } from '../../console/command.ts';
import { whileAllLive } from '../../installation/deaths.ts';
import type { ServiceGroup, ServiceGroupOptions } from '../../processes/service-group.ts';
import type { BenchInstallation } from '../installation.ts';
import type { KafkaRequests } from '../measure/kafka-requests.ts';
import type { Metered } from '../measure/meter.ts';
import { measureRawWrites } from '../raw-writes.ts';
import { versionSum } from './contacts.ts';
import { ACCOUNT, ACTION_TIMEOUT_MS, BATCH_SIZE, RAW_ACCOUNT, type RunningSide, type Side } from './side.ts';

export interface PlatformSideOptions {
  readonly installation: BenchInstallation;
  /** Arguments to Node of the services. */
  readonly args: NonNullable<ServiceGroupOptions['args']>;
  readonly requests: KafkaRequests;
  readonly contacts: number;
  /** Number of batches that handler processes at the same time, and of raw bulk writes. */
  readonly concurrency: number;
}

/** Creates our own side of the comparison. */
export function platformSide(options: PlatformSideOptions, { signal }: CommandContext): Side {
  const { installation, args, requests, contacts, concurrency } = options;
  const { stack, database, start } = installation;
  let rawRuns = 0;
  return {
    name: 'platform',
    start: async () => {
      const services = await start({
        args,
        extraEnv: {
          intake: requests.env,
          handler: { ...requests.env, PARTITION_CONCURRENCY: String(concurrency) },
          'stats-aggregator': requests.env,
          notifier: requests.env,
        },
      });
      const client = clientOf(services);
      const run: RunningSide['run'] = async (actionType, entities) => {
        const { actionId } = await client.createAction({ actionType, entities: [...entities] });
        const wait = client.waitForCompletion(actionId, { timeoutMs: ACTION_TIMEOUT_MS, signal });
        const end = await whileAllLive({ services, stack, signal }, wait);
        if (end.success === entities.length) return;
        throw new CodedError('UNEXPECTED_OUTCOME', `${end.success} of ${entities.length} succeeded`);
      };
      return {
        metered: meteredOf(services),
        run,
        stop: async () => {
          client.close();
          await services.stop();
        },
      };
    },
    versions: () => versionSum(database.entities(contact.collection), ACCOUNT),
    raw: () =>
      measureRawWrites(database, {
        accountId: RAW_ACCOUNT,
        contacts,
        batchSize: BATCH_SIZE,
        concurrency,
        run: rawRuns++,
      }),
  };
}

/** Creates a client of the services that accepts a large request. */
export function clientOf({ intakeUrl, notifierUrl }: ServiceGroup, accountId: string = ACCOUNT): BulkClient {
  return new BulkClient({
    baseUrl: intakeUrl,
    websocketUrl: notifierUrl,
    accountId,
    requestTimeoutMs: 300_000,
  });
}

/** Names the processes of services that the benchmark has built, all of which count Kafka requests. */
export function meteredOf({ members }: ServiceGroup): Metered {
  return {
    pids: new Map(members.map(({ name, pid }) => [name, pid])),
    counted: members.map(({ pid }) => pid),
  };
}
