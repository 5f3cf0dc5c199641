import type { BulkClient } from '@bulk/client';
import type { CommandContext } from '../console/command.ts';
import { Screen } from '../console/screen.ts';
import { whileAllLive } from '../installation/deaths.ts';
import { seedSampleData } from '../operator/seed/sample-data.ts';
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
import { runThroughStages, stageLines, type Stages } from './measure/stages.ts';
import { tableLines } from './measure/table.ts';

export interface SmallOptions extends StackOption {
  /** Number of actions, one after the other. */
  readonly runs: number;
  readonly concurrency: number;
}

const WARM_UP = 3;

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
    for (const [stage, text] of stageLines(stages)) screen.labelled(stage, text);
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

function runSmall(client: BulkClient, shift: number, signal: AbortSignal): Promise<Stages> {
  const entities = entitiesOf(SMALL, shift + WARM_UP);
  return runThroughStages(
    client,
    { actionType: 'update', entities },
    { timeoutMs: ACTION_TIMEOUT_MS, signal },
  );
}
