import { join } from 'node:path';
import { stackPaths } from '@bulk/local-stack';
import type { CommandContext } from '../console/command.ts';
import { Screen, thousands } from '../console/screen.ts';
import { openDatabase } from '../installation/database.ts';
import { seedSampleData } from '../development/seed/sample-data.ts';
import { entitiesOf } from './compare/contacts.ts';
import { PEER_DATABASE, peerSide } from './compare/peer-side.ts';
import { platformSide } from './compare/platform-side.ts';
import { reportComparison, type Round } from './compare/report.ts';
import { ACCOUNT, BATCH_SIZE, RAW_ACCOUNT, type RunningSide, type Side } from './compare/side.ts';
import { benchInstallation, mongoEngine, type StackOption } from './installation.ts';
import { KafkaRequests } from './measure/kafka-requests.ts';
import { inRounds } from './measure/medians.ts';
import { Meter, type Usage } from './measure/meter.ts';
import { buildBundles } from './services/bundles.ts';

export interface CompareOptions extends StackOption {
  readonly contacts: number;
  readonly runs: number;
  /** Number of batches that handler processes at the same time. */
  readonly concurrency: number;
  /** Number of jobs that the peer processes at the same time. */
  readonly peerConcurrency: number;
  /** Number of small actions per round. */
  readonly smallRuns: number;
}

/** Number of entities of a small action. */
const SMALL = 100;
/** Number of small actions before the first measured one. */
const WARM_UP = 3;

/**
 * Measures the platform and the peer in turn, on one empty stack, and prints ratios, goals and
 * costs.
 */
export async function benchCompare(options: CompareOptions, context: CommandContext): Promise<void> {
  const screen = new Screen(process.stdout);
  const installation = await benchInstallation(screen, options, BATCH_SIZE, context);
  const { stack, env } = installation;
  const logFolder = join(stackPaths(stack.name).root, 'services');
  const bundles = await screen.step(
    'bundles',
    () => buildBundles(join(stackPaths(stack.name).root, 'bundles')),
    () => 'the services with the action type noop, and the peer',
  );
  const requests = KafkaRequests.create(context);
  const meter = await Meter.open(stack, requests, context);
  await screen.step(
    'seed',
    () => seed(installation.database, env, options.contacts, context),
    () => `${thousands(options.contacts)} contacts per side`,
  );
  const { contacts, concurrency, peerConcurrency } = options;
  const platform = platformSide(
    { installation, args: bundles.services, requests, contacts, concurrency },
    context,
  );
  const peerOf = (logMode: 'entity' | 'batch'): Promise<Side> =>
    peerSide(
      {
        env,
        urls: stack.urls,
        args: bundles.peer,
        logMode,
        contacts,
        concurrency: peerConcurrency,
        logOf: (name) => join(logFolder, `${name}.log`),
      },
      context,
    );
  const sides = { platform, entity: await peerOf('entity'), batch: await peerOf('batch') };
  const shifts = { next: 1 };
  const measurements = new Map(
    Object.values(sides).map((side) => [
      side.name,
      () =>
        screen.step(
          side === platform ? 'ours' : 'peer',
          () => measureRound(side, { meter, options, shifts, signal: context.signal }),
          (round) => roundText(side, round, contacts),
        ),
    ]),
  );
  const rounds = await inRounds(options.runs, measurements);
  const of = (side: Side): readonly Round[] => rounds.get(side.name) ?? [];
  screen.line();
  reportComparison(screen, {
    engine: await mongoEngine(stack),
    contacts,
    platform: of(platform),
    peerByEntity: of(sides.entity),
    peerByBatch: of(sides.batch),
  });
}

async function seed(
  database: Parameters<typeof seedSampleData>[0],
  env: Parameters<typeof openDatabase>[1],
  contacts: number,
  { signal }: CommandContext,
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

interface Measuring {
  readonly meter: Meter;
  readonly options: CompareOptions;
  /** Rises with each action, so that each one changes every contact. */
  readonly shifts: { next: number };
  readonly signal: AbortSignal;
}

/** Measures an update, an action that writes nothing, and small ones, by fresh processes; then the raw writes. */
async function measureRound(side: Side, measuring: Measuring): Promise<Round> {
  const running = await side.start();
  let measured: Omit<Round, 'raw'>;
  try {
    const { contacts } = measuring.options;
    const update = await checked(side, contacts, () => action(running, 'update', measuring));
    const noop = await checked(side, 0, () => action(running, 'noop', measuring));
    measured = { update, noop, ...(await smalls(running, measuring)) };
  } finally {
    await running.stop();
  }
  return { ...measured, raw: await side.raw() };
}

/** @throws Error unless the work has changed exactly that number of contacts. */
async function checked<T>(side: Side, changes: number, work: () => Promise<T>): Promise<T> {
  const before = await side.versions();
  const result = await work();
  const changed = (await side.versions()) - before;
  if (changed !== changes)
    throw new Error(`${side.name}: ${changed} changes of contacts, expected ${changes}`);
  return result;
}

function action(
  running: RunningSide,
  actionType: 'update' | 'noop',
  { meter, options, shifts }: Measuring,
): Promise<Usage> {
  const entities = entitiesOf(options.contacts, shifts.next++);
  return meter.during(running.metered, async () => {
    const startedAt = performance.now();
    await running.run(actionType, entities);
    return (performance.now() - startedAt) / 1000;
  });
}

async function smalls(
  running: RunningSide,
  { meter, options, shifts, signal }: Measuring,
): Promise<Pick<Round, 'small' | 'smallTimes'>> {
  const one = async (): Promise<number> => {
    signal.throwIfAborted();
    const entities = entitiesOf(Math.min(SMALL, options.contacts), shifts.next++);
    const startedAt = performance.now();
    await running.run('update', entities);
    return performance.now() - startedAt;
  };
  for (let i = 0; i < WARM_UP; i += 1) await one();
  const smallTimes: number[] = [];
  const small = await meter.during(running.metered, async () => {
    const startedAt = performance.now();
    while (smallTimes.length < options.smallRuns) smallTimes.push(await one());
    return (performance.now() - startedAt) / 1000;
  });
  return { small, smallTimes };
}

function roundText(side: Side, { update, noop, raw, smallTimes }: Round, contacts: number): string {
  const rate = (seconds: number): string => `${thousands(contacts / seconds)}/s`;
  const fastest = Math.round(Math.min(...smallTimes));
  return `${side.name}: update ${rate(update.seconds)}, no-op ${rate(noop.seconds)}, raw ${rate(raw)}, ${SMALL} alone from ${fastest} ms`;
}
