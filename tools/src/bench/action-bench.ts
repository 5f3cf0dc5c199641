import { BulkClient } from '@bulk/client';
import { CodedError } from '@bulk/domain';
import type { RunningStack } from '@bulk/local-stack';
import type { Database } from '@bulk/mongo';
import type { CommandContext } from '../console/command.ts';
import { Screen, thousands } from '../console/screen.ts';
import { whileAllLive } from '../installation/deaths.ts';
import type { ServiceGroup } from '../processes/service-group.ts';
import { SAMPLE_CONTACTS } from '../operator/seed/records.ts';
import { seedSampleData } from '../operator/seed/sample-data.ts';
import { benchInstallation, megabytes, mongoEngine, type StackOption } from './installation.ts';
import { measureRawWrites } from './raw-writes.ts';

const ACCOUNT = 'bench';
const BATCH_SIZE = 100;
const TIMEOUT_MS = 1_800_000;

export interface BenchOptions extends StackOption {
  readonly contacts: number;
  /** Number of concurrent bulk writes, by handler and in the raw measurement. */
  readonly concurrency: number;
}

/**
 * Measures one action from its request to its last outcome, and the raw speed of the same writes.
 */
export async function benchAction(options: BenchOptions, context: CommandContext): Promise<void> {
  const { signal } = context;
  const screen = new Screen(process.stdout);
  const { stack, database, start } = await benchInstallation(screen, options, BATCH_SIZE, context);
  await screen.step(
    'seed',
    () =>
      seedSampleData(
        database,
        { accountId: ACCOUNT, counts: { contacts: options.contacts, companies: 0, leads: 0 }, reset: true },
        signal,
      ),
    () => `${thousands(options.contacts)} contacts`,
  );
  const extraEnv = { handler: { PARTITION_CONCURRENCY: String(options.concurrency) } };
  const services = await start({ extraEnv });
  await whileAllLive(
    { services, stack, signal },
    measure(screen, { stack, services, database, options, signal }),
  );
}

interface Bench {
  readonly stack: RunningStack;
  readonly services: ServiceGroup;
  readonly database: Database;
  readonly options: BenchOptions;
  readonly signal: AbortSignal;
}

async function measure(screen: Screen, { stack, services, database, options, signal }: Bench): Promise<void> {
  const { contacts, concurrency } = options;
  const endToEnd = await screen.step(
    'action',
    (note) => runAction(services, contacts, signal, note),
    () => `update of ${thousands(contacts)} contacts, every one a success`,
  );
  const memory = services.members.map((member) => `${member.name} ${megabytes(member.peakMemory())}`);
  const raw = await screen.step(
    'raw',
    () => measureRawWrites(database, { accountId: ACCOUNT, contacts, batchSize: BATCH_SIZE, concurrency }),
    () => 'the same bulk writes, without the platform',
  );
  screen.line();
  screen.labelled('MongoDB', await mongoEngine(stack));
  screen.labelled(
    'end to end',
    `${thousands(contacts / endToEnd)} entities/s (${endToEnd.toFixed(1)} s, from request to last outcome)`,
  );
  screen.labelled(
    'raw',
    `${thousands(contacts / raw)} entities/s (${raw.toFixed(1)} s; ${BATCH_SIZE} per bulkWrite, ${concurrency} at a time)`,
  );
  screen.labelled('ratio', (raw / endToEnd).toFixed(2));
  screen.labelled('memory', `peak: ${memory.join(' · ')}`);
}

/** @returns seconds from the request to the last outcome. */
async function runAction(
  services: ServiceGroup,
  contacts: number,
  signal: AbortSignal,
  note: (text: string) => void,
): Promise<number> {
  const { intakeUrl, notifierUrl } = services;
  const client = new BulkClient({
    baseUrl: intakeUrl,
    websocketUrl: notifierUrl,
    accountId: ACCOUNT,
    requestTimeoutMs: 300_000,
  });
  try {
    const entities = Array.from({ length: contacts }, (_, i) => ({
      id: SAMPLE_CONTACTS.idOf(i + 1),
      ownerId: `user-${i % 25}`,
      score: i % 101,
    }));
    const startedAt = performance.now();
    const { actionId } = await client.createAction({ actionType: 'update', entities });
    let tenth = 0;
    const end = await client.waitForCompletion(actionId, {
      timeoutMs: TIMEOUT_MS,
      signal,
      onProgress: ({ percent, processed }) => {
        if (Math.floor(percent / 10) <= tenth) return;
        tenth = Math.floor(percent / 10);
        note(`${Math.floor(percent)} %  ${thousands(processed)}`);
      },
    });
    const seconds = (performance.now() - startedAt) / 1000;
    if (end.success !== contacts) {
      throw new CodedError(
        'UNEXPECTED_OUTCOME',
        `${end.success} of ${contacts} succeeded, ${end.failure} failed, ${end.skipped} were skipped`,
      );
    }
    return seconds;
  } finally {
    client.close();
  }
}
