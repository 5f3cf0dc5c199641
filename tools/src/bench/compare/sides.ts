import type { CommandContext } from '../../console/command.ts';
import { thousands, type Screen } from '../../console/screen.ts';
import { openDatabase } from '../../installation/database.ts';
import { seedSampleData } from '../../operator/seed/sample-data.ts';
import type { StackOption } from '../installation.ts';
import { measuredInstallation, type MeasuredInstallation } from '../measured-installation.ts';
import type { LogMode } from '../peer/config.ts';
import { PEER_DATABASE, peerSide } from './peer-side.ts';
import { platformSide } from './platform-side.ts';
import { ACCOUNT, RAW_ACCOUNT, type Side } from './side.ts';

export interface SidesOptions extends StackOption {
  readonly contacts: number;
  /** Number of batches that handler processes at the same time. */
  readonly concurrency: number;
  /** Number of jobs that the peer processes at the same time. */
  readonly peerConcurrency: number;
}

/** The platform and the peer, on one empty stack with the same contacts. */
export interface Sides {
  readonly installation: MeasuredInstallation;
  readonly platform: Side;
  readonly peerByEntity: Side;
  readonly peerByBatch: Side;
}

/** Starts the stack, builds both sides and seeds their contacts. */
export async function openSides(
  screen: Screen,
  options: SidesOptions,
  batchSize: number,
  context: CommandContext,
): Promise<Sides> {
  const installation = await measuredInstallation(screen, options, batchSize, context);
  const { stack, env, peer, logOf } = installation;
  const { contacts, concurrency, peerConcurrency } = options;
  await screen.step(
    'seed',
    () => seed(installation, contacts, context.signal),
    () => `${thousands(contacts)} contacts per side`,
  );
  const peerOf = (logMode: LogMode): Promise<Side> => {
    const shared = { env, urls: stack.urls, args: peer, logOf, contacts, batchSize };
    return peerSide({ ...shared, logMode, concurrency: peerConcurrency }, context);
  };
  return {
    installation,
    platform: platformSide({ installation, contacts, concurrency, batchSize }, context),
    peerByEntity: await peerOf('entity'),
    peerByBatch: await peerOf('batch'),
  };
}

async function seed(
  { database, env }: MeasuredInstallation,
  contacts: number,
  signal: AbortSignal,
): Promise<void> {
  const counts = { contacts, companies: 0, leads: 0 };
  for (const accountId of [ACCOUNT, RAW_ACCOUNT])
    await seedSampleData(database, { accountId, counts, reset: true }, signal);
  const peer = await openDatabase('bench-peer', { ...env, MONGODB_DATABASE: PEER_DATABASE });
  try {
    await seedSampleData(peer, { accountId: ACCOUNT, counts, reset: true }, signal);
  } finally {
    await peer.close();
  }
}
