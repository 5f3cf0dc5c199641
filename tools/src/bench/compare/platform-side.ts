import { contact } from '@bulk/action-types';
import { BulkClient } from '@bulk/client';
import { CodedError } from '@bulk/domain';
import type { CommandContext } from '../../console/command.ts';
import { whileAllLive } from '../../installation/deaths.ts';
import type { ServiceGroup } from '../../processes/service-group.ts';
import { meteredOf, type MeasuredInstallation } from '../measured-installation.ts';
import { measureRawWrites } from '../raw-writes.ts';
import { versionSum } from './contacts.ts';
import { ACCOUNT, ACTION_TIMEOUT_MS, RAW_ACCOUNT, type RunningSide, type Side } from './side.ts';

export interface PlatformSideOptions {
  readonly installation: MeasuredInstallation;
  readonly contacts: number;
  readonly batchSize: number;
  /** Number of groups of batches that handler processes at the same time. */
  readonly concurrency: number;
}

/** Number of raw bulk writes at the same time. More of them are not faster. */
const RAW_CONCURRENCY = 4;

/** Creates our own side of the comparison. */
export function platformSide(options: PlatformSideOptions, { signal }: CommandContext): Side {
  const { installation, contacts, concurrency, batchSize } = options;
  const { stack, database, start } = installation;
  let rawRuns = 0;
  return {
    name: 'platform',
    start: async () => {
      const services = await start({
        extraEnv: { handler: { PARTITION_CONCURRENCY: String(concurrency) } },
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
        batchSize,
        concurrency: RAW_CONCURRENCY,
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
