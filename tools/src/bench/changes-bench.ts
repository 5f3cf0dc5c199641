import { CodedError, CHANGES_KEPT, type ChangesKept } from '@bulk/domain';
import type { CommandContext } from '../console/command.ts';
import { Screen, thousands } from '../console/screen.ts';
import { whileAllLive } from '../installation/deaths.ts';
import { seedSampleData } from '../operator/seed/sample-data.ts';
import type { ServiceGroup } from '../processes/service-group.ts';
import { entitiesOf } from './compare/contacts.ts';
import { clientOf } from './compare/platform-side.ts';
import { ACCOUNT, ACTION_TIMEOUT_MS, BATCH_SIZE } from './compare/side.ts';
import { benchInstallation, mongoEngine, type StackOption } from './installation.ts';
import { atLeast, goalText, verdictsOn } from './measure/goals.ts';
import { inRounds, median } from './measure/medians.ts';

export interface ChangesOptions extends StackOption {
  readonly contacts: number;
  readonly runs: number;
  readonly concurrency: number;
}

/** Rate of an action that keeps values, as a part of the rate of one that keeps nothing. */
const GOAL = atLeast(0.9);

/** Compares actions that keep nothing, names and values of their changes, in turn. */
export async function benchChanges(options: ChangesOptions, context: CommandContext): Promise<void> {
  const { signal } = context;
  const { contacts, runs, concurrency } = options;
  const screen = new Screen(process.stdout);
  const { stack, database, start } = await benchInstallation(screen, options, BATCH_SIZE, context);
  await screen.step(
    'seed',
    () =>
      seedSampleData(
        database,
        { accountId: ACCOUNT, counts: { contacts, companies: 0, leads: 0 }, reset: true },
        signal,
      ),
    () => `${thousands(contacts)} contacts`,
  );
  const services = await start({ extraEnv: { handler: { PARTITION_CONCURRENCY: String(concurrency) } } });
  let shift = 0;
  const measured = (changes: ChangesKept) => () => {
    shift += 1;
    return screen.step(
      changes,
      () => runUpdate(services, { contacts, changes, shift }, signal),
      (seconds) => `${thousands(contacts / seconds)} entities/s`,
    );
  };
  const measurements = new Map(CHANGES_KEPT.map((changes) => [changes as string, measured(changes)]));
  const rounds = await whileAllLive({ services, stack, signal }, inRounds(runs, measurements));
  const rate = (changes: ChangesKept): number =>
    median((rounds.get(changes) ?? []).map((seconds) => contacts / seconds));
  const engine = await mongoEngine(stack);
  const verdicts = verdictsOn(engine);
  screen.line();
  screen.labelled('MongoDB', engine);
  if (!verdicts.given) screen.labelled('', verdicts.reason);
  for (const changes of CHANGES_KEPT)
    screen.labelled(changes, `${thousands(rate(changes))} entities/s, median of ${runs}`);
  const ratio = rate('values') / rate('none');
  screen.labelled('ratio', `${ratio.toFixed(2)} values to none (${goalText(ratio, GOAL, '', verdicts)})`);
}

/** @returns seconds from the request to the completed frame. */
async function runUpdate(
  services: ServiceGroup,
  { contacts, changes, shift }: { contacts: number; changes: ChangesKept; shift: number },
  signal: AbortSignal,
): Promise<number> {
  const client = clientOf(services);
  try {
    const entities = entitiesOf(contacts, shift);
    const startedAt = performance.now();
    const { actionId } = await client.createAction({ actionType: 'update', changes, entities });
    const end = await client.waitForCompletion(actionId, { timeoutMs: ACTION_TIMEOUT_MS, signal });
    if (end.success !== contacts)
      throw new CodedError('UNEXPECTED_OUTCOME', `${end.success} of ${contacts} succeeded`);
    return (performance.now() - startedAt) / 1000;
  } finally {
    client.close();
  }
}
