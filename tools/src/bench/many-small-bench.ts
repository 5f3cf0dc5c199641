import type { BulkClient } from '@bulk/client';
import { CodedError } from '@bulk/domain';
import type { CommandContext } from '../console/command.ts';
import { Screen, thousands } from '../console/screen.ts';
import { whileAllLive } from '../installation/deaths.ts';
import { inParallel } from '../development/loadtest/in-parallel.ts';
import type { ServiceGroup } from '../processes/service-group.ts';
import { seedSampleData } from '../operator/seed/sample-data.ts';
import { entitiesOf } from './compare/contacts.ts';
import { SMALL } from './compare/measures.ts';
import { clientOf } from './compare/platform-side.ts';
import { ACCOUNT, ACTION_TIMEOUT_MS, BATCH_SIZE } from './compare/side.ts';
import { mongoEngine, type StackOption } from './installation.ts';
import { measuredInstallation, meteredOf, type MeasuredInstallation } from './measured-installation.ts';
import { costTable } from './measure/costs.ts';
import { atLeast, goalText, verdictsOn } from './measure/goals.ts';
import { inRounds, median } from './measure/medians.ts';
import type { Usage } from './measure/meter.ts';
import { tableLines } from './measure/table.ts';

export interface ManySmallOptions extends StackOption {
  /** Number of small actions, spread evenly over the accounts. */
  readonly actions: number;
  readonly accounts: number;
  /** Number of requests at the same time. */
  readonly requests: number;
  readonly runs: number;
  readonly concurrency: number;
}

/** Rate of many small actions, as a part of the rate of one large action of as many entities. */
const GOAL = atLeast(0.8);
const LARGE = 'one large action';
const MANY = 'many small actions';

/** Compares many small actions of many accounts at once with one large action of as many entities. */
export async function benchManySmall(options: ManySmallOptions, context: CommandContext): Promise<void> {
  const { signal } = context;
  const screen = new Screen(process.stdout);
  const installation = await measuredInstallation(screen, options, BATCH_SIZE, context);
  const { actions, accounts } = options;
  const entities = actions * SMALL;
  await screen.step(
    'seed',
    () => seed(installation, options, signal),
    () => `${thousands(entities)} contacts of one account, and as many of ${thousands(accounts)} accounts`,
  );
  const services = await installation.start({
    extraEnv: { handler: { PARTITION_CONCURRENCY: String(options.concurrency) } },
  });
  const bench: Bench = { installation, services, options, signal, shifts: { next: 1 } };
  const measured = (name: string, work: () => Promise<number>) =>
    screen.step(
      name === LARGE ? 'large' : 'many',
      () => installation.meter.during(meteredOf(services), work),
      ({ seconds }) => `${name}: ${thousands(entities / seconds)} entities/s`,
    );
  const measurements = new Map([
    [LARGE, () => measured(LARGE, () => runLarge(bench))],
    [MANY, () => measured(MANY, () => runMany(bench))],
  ]);
  const { stack } = installation;
  const rounds = await whileAllLive({ services, stack, signal }, inRounds(options.runs, measurements));
  await report(screen, bench, rounds);
}

interface Bench {
  readonly installation: MeasuredInstallation;
  readonly services: ServiceGroup;
  readonly options: ManySmallOptions;
  readonly signal: AbortSignal;
  readonly shifts: { next: number };
}

const accountOf = (index: number): string => `${ACCOUNT}-${index + 1}`;

async function seed(
  { database }: MeasuredInstallation,
  { actions, accounts }: ManySmallOptions,
  signal: AbortSignal,
): Promise<void> {
  const of = (accountId: string, contacts: number): Promise<unknown> =>
    seedSampleData(
      database,
      { accountId, counts: { contacts, companies: 0, leads: 0 }, reset: true },
      signal,
    );
  await of(ACCOUNT, actions * SMALL);
  const perAccount = Math.ceil(actions / accounts) * SMALL;
  for (let i = 0; i < accounts; i += 1) await of(accountOf(i), perAccount);
}

/** @returns seconds from the request to the completed frame. */
async function runLarge({ services, options, signal, shifts }: Bench): Promise<number> {
  const client = clientOf(services);
  try {
    const entities = entitiesOf(options.actions * SMALL, shifts.next++);
    const startedAt = performance.now();
    const { actionId } = await client.createAction({ actionType: 'update', entities });
    await completed(client, actionId, entities.length, signal);
    return (performance.now() - startedAt) / 1000;
  } finally {
    client.close();
  }
}

/** @returns seconds from the first request to the last completed frame. */
async function runMany({ services, options, signal, shifts }: Bench): Promise<number> {
  const { actions, accounts, requests } = options;
  const shift = shifts.next++;
  const clients = Array.from({ length: accounts }, (_, i) => clientOf(services, accountOf(i)));
  const contacts = entitiesOf(Math.ceil(actions / accounts) * SMALL, shift);
  try {
    const ends: Promise<void>[] = [];
    const startedAt = performance.now();
    await inParallel(actions, requests, async (index) => {
      const client = clients[index % accounts];
      if (client === undefined) throw new Error('there is no account');
      const from = Math.floor(index / accounts) * SMALL;
      const entities = contacts.slice(from, from + SMALL);
      const { actionId } = await client.createAction({ actionType: 'update', entities });
      ends.push(completed(client, actionId, SMALL, signal));
    });
    await Promise.all(ends);
    return (performance.now() - startedAt) / 1000;
  } finally {
    for (const client of clients) client.close();
  }
}

async function completed(
  client: BulkClient,
  actionId: string,
  entities: number,
  signal: AbortSignal,
): Promise<void> {
  const end = await client.waitForCompletion(actionId, { timeoutMs: ACTION_TIMEOUT_MS, signal });
  if (end.success !== entities)
    throw new CodedError('UNEXPECTED_OUTCOME', `${end.success} of ${entities} succeeded`);
}

async function report(
  screen: Screen,
  { installation, options }: Bench,
  rounds: ReadonlyMap<string, readonly Usage[]>,
): Promise<void> {
  const { actions, accounts, runs } = options;
  const entities = actions * SMALL;
  const of = (name: string): readonly Usage[] => rounds.get(name) ?? [];
  const rate = (name: string): number => median(of(name).map(({ seconds }) => entities / seconds));
  const costs = (name: string) => of(name).map((usage) => ({ usage, batches: actions }));
  const engine = await mongoEngine(installation.stack);
  const verdicts = verdictsOn(engine);
  const ratio = rate(MANY) / rate(LARGE);
  screen.line();
  screen.labelled('MongoDB', engine);
  if (!verdicts.given) screen.labelled('', verdicts.reason);
  screen.labelled(
    'large',
    `${thousands(rate(LARGE))} entities/s, one of ${thousands(entities)}, median of ${runs}`,
  );
  screen.labelled(
    'many',
    `${thousands(rate(MANY))} entities/s, ${thousands(actions)} of ${SMALL}, of ${accounts} accounts at once`,
  );
  screen.labelled('ratio', `${ratio.toFixed(2)} (${goalText(ratio, GOAL, '', verdicts)})`);
  screen.line();
  screen.lines(
    tableLines(
      ...costTable(`per ${SMALL} entities`, [
        { name: LARGE, costs: costs(LARGE) },
        { name: MANY, costs: costs(MANY) },
      ]),
    ),
  );
}
