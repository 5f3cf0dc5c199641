import { BulkClient } from '@bulk/client';
import { CodedError, isFinal, type Lane } from '@bulk/domain';
import { delay } from '@bulk/runtime';
import type { CommandContext } from '../console/command.ts';
import { Screen, thousands } from '../console/screen.ts';
import { whileAllLive } from '../installation/deaths.ts';
import type { ServiceGroup } from '../processes/service-group.ts';
import { SAMPLE_CONTACTS } from '../operator/seed/records.ts';
import { seedSampleData } from '../operator/seed/sample-data.ts';
import { atMost, goalText, verdictsOn, type Goal, type Verdicts } from './measure/goals.ts';
import { timesOf, type Times } from './measure/medians.ts';
import { runThroughStages, stagesLine, type Stages } from './measure/stages.ts';
import { benchInstallation, mongoEngine, type StackOption } from './installation.ts';

const LARGE_ACCOUNT = 'bench-large';
const SMALL_ACCOUNT = 'bench-small';
const BATCH_SIZE = 100;
/** Number of lines of the upload that are sent at once. */
const LINES = 500;
const UPLOAD_TIMEOUT_MS = 1_800_000;
const SMALL_TIMEOUT_MS = 600_000;
/** Number of outcomes after which the large action counts as running at full speed. */
const UNDER_WAY = 5_000;
const POLL_MS = 250;
/** Number of small actions before the first measured one: connections and compiled code. */
const WARM_UP = 3;

export interface FairnessOptions extends StackOption {
  /** Number of entities of the small action. */
  readonly small: number;
  /** Number of entities of the large action. It must outlast the measurement. */
  readonly large: number;
  /** Number of small actions that are measured in each situation, one after the other. */
  readonly runs: number;
  /** Maximum number of batches that handler processes at the same time. */
  readonly concurrency: number;
  /** Number of instances of intake. The large action goes to the first one, small ones to the last. */
  readonly intakes: number;
}

/** A situation of the small action, while the large one runs. */
interface Situation {
  readonly name: string;
  readonly accountId: string;
  readonly priority: Lane;
  /** Goal of the duration, as a multiple of the duration alone; `undefined` if there is no goal. */
  readonly goal: Goal | undefined;
}

/** The large action runs in lane normal. */
const SITUATIONS: readonly Situation[] = [
  { name: 'same lane', accountId: SMALL_ACCOUNT, priority: 'normal', goal: atMost(3) },
  { name: 'lane above', accountId: SMALL_ACCOUNT, priority: 'high', goal: atMost(1.5) },
  { name: 'same account', accountId: LARGE_ACCOUNT, priority: 'normal', goal: undefined },
];

interface Bench {
  readonly services: ServiceGroup;
  readonly options: FairnessOptions;
  readonly signal: AbortSignal;
  readonly screen: Screen;
  readonly verdicts: Verdicts;
}

/**
 * Measures how long a small action takes alone, and while a large one runs in its lane and in the
 * lane below.
 */
export async function benchFairness(options: FairnessOptions, context: CommandContext): Promise<void> {
  const { signal } = context;
  const screen = new Screen(process.stdout);
  const { stack, database, start } = await benchInstallation(screen, options, BATCH_SIZE, context);
  const counts = { contacts: options.small, companies: 0, leads: 0 };
  await screen.step(
    'seed',
    async () => {
      for (const accountId of [SMALL_ACCOUNT, LARGE_ACCOUNT]) {
        await seedSampleData(database, { accountId, counts, reset: true }, signal);
      }
    },
    () => `${thousands(options.small)} contacts of two accounts`,
  );
  const services = await start({
    instances: { intake: options.intakes },
    extraEnv: {
      intake: { MAX_ENTITIES: String(Math.max(options.large, options.small)) },
      handler: { PARTITION_CONCURRENCY: String(options.concurrency) },
    },
  });
  const engine = await mongoEngine(stack);
  const bench: Bench = { services, options, signal, screen, verdicts: verdictsOn(engine) };
  await whileAllLive({ services, stack, signal }, measure(bench));
  screen.labelled('MongoDB', engine);
  if (!bench.verdicts.given) screen.labelled('', bench.verdicts.reason);
}

async function measure(bench: Bench): Promise<void> {
  const { screen, options } = bench;
  const large = clientOf(bench, LARGE_ACCOUNT, 1);
  const small = clientOf(bench, SMALL_ACCOUNT, options.intakes);
  const sameAccount = clientOf(bench, LARGE_ACCOUNT, options.intakes);
  const clients = new Map([
    [SMALL_ACCOUNT, small],
    [LARGE_ACCOUNT, sameAccount],
  ]);
  try {
    for (let i = 0; i < WARM_UP; i += 1) await runSmall(small, 'normal', bench);
    const alone = await screen.step('alone', () => runSmalls(small, 'normal', bench), textOf);
    const actionId = await screen.step(
      'large',
      () => startLarge(large, bench),
      () => `an action of ${thousands(options.large)} entities is under way`,
    );
    const before = await outcomesOf(large, actionId);
    const measured: (readonly [Situation, readonly Stages[]])[] = [];
    for (const situation of SITUATIONS) {
      const client = clients.get(situation.accountId) ?? small;
      measured.push([
        situation,
        await screen.step(situation.name, () => runSmalls(client, situation.priority, bench), textOf),
      ]);
    }
    const after = await outcomesOf(large, actionId);
    report(bench, alone, measured, (after.processed - before.processed) / ((after.at - before.at) / 1000));
  } finally {
    for (const client of [large, small, sameAccount]) client.close();
  }
}

function report(
  { screen, verdicts }: Bench,
  alone: readonly Stages[],
  measured: readonly (readonly [Situation, readonly Stages[]])[],
  largeRate: number,
): void {
  screen.line();
  screen.labelled('alone', textOf(alone));
  screen.labelled('', stagesLine(alone));
  for (const [{ name, goal }, runs] of measured) {
    const ratio = durationsOf(runs).median / durationsOf(alone).median;
    const aim = goal === undefined ? '' : ` (${goalText(ratio, goal, '×', verdicts)})`;
    screen.labelled(name, `${textOf(runs)}, ${ratio.toFixed(2)}× alone${aim}`);
    screen.labelled('', stagesLine(runs));
  }
  screen.labelled('large', `${thousands(largeRate)} entities/s while the small ones run`);
}

function textOf(runs: readonly Stages[]): string {
  const { median, slowest } = durationsOf(runs);
  return `${Math.round(median)} ms (median; slowest ${Math.round(slowest)} ms)`;
}

/** @param intake number of the instance of intake, from 1. */
function clientOf({ services }: Bench, accountId: string, intake: number): BulkClient {
  return new BulkClient({
    baseUrl: services.urlOf(intake === 1 ? 'intake' : `intake-${intake}`),
    websocketUrl: services.notifierUrl,
    accountId,
  });
}

/** Uploads the large action. @returns its id, once it runs. */
async function startLarge(client: BulkClient, { options, signal }: Bench): Promise<string> {
  const { actionId } = await client.uploadEntities(
    { actionType: 'upsert', priority: 'normal' },
    linesOf(options.large),
    { contentType: 'application/x-ndjson', timeoutMs: UPLOAD_TIMEOUT_MS, signal },
  );
  while ((await outcomesOf(client, actionId)).processed < Math.min(UNDER_WAY, options.large / 2)) {
    signal.throwIfAborted();
    await delay(POLL_MS, signal);
  }
  return actionId;
}

/**
 * @throws CodedError if the large action has ended, so that it did not run during the measurement.
 */
async function outcomesOf(client: BulkClient, actionId: string): Promise<{ processed: number; at: number }> {
  const { status, processed } = await client.getAction(actionId);
  if (isFinal(status)) {
    throw new CodedError('LARGE_ACTION_ENDED', 'the large action has ended too early: give it more entities');
  }
  return { processed, at: performance.now() };
}

async function runSmalls(client: BulkClient, priority: Lane, bench: Bench): Promise<readonly Stages[]> {
  const runs: Stages[] = [];
  for (let i = 0; i < bench.options.runs; i += 1) runs.push(await runSmall(client, priority, bench));
  return runs;
}

function runSmall(client: BulkClient, priority: Lane, { options, signal }: Bench): Promise<Stages> {
  const entities = Array.from({ length: options.small }, (_, i) => ({
    id: SAMPLE_CONTACTS.idOf(i + 1),
    score: i % 101,
  }));
  return runThroughStages(
    client,
    { actionType: 'update', priority, entities },
    { timeoutMs: SMALL_TIMEOUT_MS, signal },
  );
}

/** Summarizes the times from the request until the last outcome was counted. */
function durationsOf(runs: readonly Stages[]): Times {
  return timesOf(runs.map(({ finished }) => finished));
}

/** Yields NDJSON of contacts that do not exist yet. */
async function* linesOf(entities: number): AsyncGenerator<string> {
  for (let from = 0; from < entities; from += LINES) {
    let text = '';
    for (let i = from; i < Math.min(entities, from + LINES); i += 1) {
      text += `${JSON.stringify({ id: `large-${i}`, lastName: `Name ${i}`, score: i % 101 })}\n`;
    }
    yield await Promise.resolve(text);
  }
}
