import type { BulkClient } from '@bulk/client';
import { CodedError } from '@bulk/domain';
import type { CommandContext } from '../console/command.ts';
import { Screen } from '../console/screen.ts';
import { whileAllLive } from '../installation/deaths.ts';
import { seedSampleData } from '../development/seed/sample-data.ts';
import { entitiesOf } from './compare/contacts.ts';
import { SMALL } from './compare/measures.ts';
import { clientOf } from './compare/platform-side.ts';
import { GOALS } from './compare/report.ts';
import { ACCOUNT, ACTION_TIMEOUT_MS, BATCH_SIZE } from './compare/side.ts';
import { mongoEngine, type StackOption } from './installation.ts';
import { measuredInstallation, meteredOf } from './measured-installation.ts';
import { costTable } from './measure/costs.ts';
import { goalText, verdictsOn } from './measure/goals.ts';
import { timesOf } from './measure/medians.ts';
import { figure, tableLines } from './measure/table.ts';

export interface SmallOptions extends StackOption {
  /** Number of actions, one after the other. */
  readonly runs: number;
  readonly concurrency: number;
}

const WARM_UP = 3;

/** Times since the request, in ms, in the order in which they pass. */
const STAGES = [
  ['accepted', 'answered with 202'],
  ['queued', 'all batches are in Kafka'],
  ['started', 'the first outcome is counted'],
  ['finished', 'the last outcome is counted'],
  ['seen', 'the subscriber has the completed frame'],
] as const;
type Stages = Readonly<Record<(typeof STAGES)[number][0], number>>;

/** Measures an action of 100 entities on an idle installation, stage by stage. */
export async function benchSmall(options: SmallOptions, context: CommandContext): Promise<void> {
  const { signal } = context;
  const screen = new Screen(process.stdout);
  const installation = await measuredInstallation(screen, options, BATCH_SIZE, context);
  const { stack, database, meter } = installation;
  await screen.step(
    'seed',
    () =>
      seedSampleData(
        database,
        { accountId: ACCOUNT, counts: { contacts: SMALL, companies: 0, leads: 0 }, reset: true },
        signal,
      ),
    () => `${SMALL} contacts`,
  );
  const services = await installation.start({
    extraEnv: { handler: { PARTITION_CONCURRENCY: String(options.concurrency) } },
  });
  const client = clientOf(services);
  const stages: Stages[] = [];
  const measure = async (): Promise<number> => {
    const startedAt = performance.now();
    for (let i = 0; i < options.runs; i += 1) stages.push(await runSmall(client, i, signal));
    return (performance.now() - startedAt) / 1000;
  };
  try {
    for (let i = 0; i < WARM_UP; i += 1) await runSmall(client, -1 - i, signal);
    const usage = await screen.step(
      'small',
      () => whileAllLive({ services, stack, signal }, meter.during(meteredOf(services), measure)),
      () => `${options.runs} actions of ${SMALL} entities, one after the other`,
    );
    const verdicts = verdictsOn(await mongoEngine(stack));
    screen.line();
    screen.labelled('MongoDB', await mongoEngine(stack));
    if (!verdicts.given) screen.labelled('', verdicts.reason);
    for (const [stage, meaning] of STAGES) {
      const { median, slowest } = timesOf(stages.map((each) => each[stage]));
      screen.labelled(
        stage,
        `after ${figure(median)} ms (median; slowest ${figure(slowest)} ms): ${meaning}`,
      );
    }
    const { median } = timesOf(stages.map(({ seen }) => seen));
    const ratio = (median / GOALS.smallMs.value).toFixed(2);
    screen.labelled('ratio', `${ratio} of the goal (${goalText(median, GOALS.smallMs, ' ms', verdicts)})`);
    screen.line();
    const costs = [{ usage, batches: options.runs }];
    screen.lines(tableLines(...costTable('per action', [{ name: `${SMALL} entities`, costs }])));
  } finally {
    client.close();
  }
}

/** Runs one action. All clocks are that of this machine. */
async function runSmall(client: BulkClient, shift: number, signal: AbortSignal): Promise<Stages> {
  const entities = entitiesOf(SMALL, shift + WARM_UP);
  const askedAt = Date.now();
  const { actionId } = await client.createAction({ actionType: 'update', entities });
  const acceptedAt = Date.now();
  const end = await client.waitForCompletion(actionId, { timeoutMs: ACTION_TIMEOUT_MS, signal });
  const seenAt = Date.now();
  if (end.success !== SMALL)
    throw new CodedError('UNEXPECTED_OUTCOME', `${end.success} of ${SMALL} succeeded`);
  const { queuedAt, startedAt, finishedAt } = await client.getAction(actionId);
  const since = (instant: string | null): number =>
    instant === null ? Number.NaN : Date.parse(instant) - askedAt;
  return {
    accepted: acceptedAt - askedAt,
    queued: since(queuedAt),
    started: since(startedAt),
    finished: since(finishedAt),
    seen: seenAt - askedAt,
  };
}
