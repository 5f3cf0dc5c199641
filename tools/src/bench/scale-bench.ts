import type { CommandContext } from '../console/command.ts';
import { Screen, thousands } from '../console/screen.ts';
import { whileAllLive } from '../installation/deaths.ts';
import type { ServiceGroup } from '../processes/service-group.ts';
import { entitiesOf } from './compare/contacts.ts';
import { clientOf } from './compare/platform-side.ts';
import { ACTION_TIMEOUT_MS, BATCH_SIZE } from './compare/side.ts';
import { mongoEngine, type StackOption } from './installation.ts';
import { measuredInstallation } from './measured-installation.ts';
import { atLeast, goalText, verdictsOn } from './measure/goals.ts';
import { steadyRate, type Progress } from './measure/steady-rate.ts';
import { figure } from './measure/table.ts';

export interface ScaleOptions extends StackOption {
  /** Time that each batch takes, in ms, as a call of another system would. */
  readonly waitMs: number;
  readonly partitions: number;
  /** Number of batches per handler. */
  readonly batches: number;
}

/** Numbers of handlers, each of which processes one batch at a time. */
const HANDLERS = [1, 2, 4];
/** Throughput, as a part of the linear one. */
const GOAL = atLeast(0.9);

/** Measures how the throughput of a slow action type rises with the number of handlers. */
export async function benchScale(options: ScaleOptions, context: CommandContext): Promise<void> {
  const { signal } = context;
  const screen = new Screen(process.stdout);
  const installation = await measuredInstallation(screen, options, BATCH_SIZE, context, {
    KAFKA_LANE_PARTITIONS: String(options.partitions),
  });
  const { stack } = installation;
  const rates = new Map<number, number>();
  for (const handlers of HANDLERS) {
    const services = await installation.start({
      instances: { handler: handlers },
      extraEnv: { handler: { PARTITION_CONCURRENCY: '1' } },
    });
    const rate = await screen.step(
      'run',
      () => whileAllLive({ services, stack, signal }, run(services, handlers, options, signal)),
      (value) => `${handlers} handlers: ${figure(value)} batches/s`,
    );
    rates.set(handlers, rate);
    await services.stop();
  }
  const verdicts = verdictsOn(await mongoEngine(stack));
  const alone = rates.get(1) ?? Number.NaN;
  screen.line();
  screen.labelled('MongoDB', await mongoEngine(stack));
  if (!verdicts.given) screen.labelled('', verdicts.reason);
  for (const [handlers, rate] of rates) {
    const most = (handlers * 1_000) / options.waitMs;
    const text = `${figure(rate)} batches/s; the waits alone would allow ${figure(most)}`;
    const ratio = rate / (handlers * alone);
    const ofLinear = `${ratio.toFixed(2)} of linear (${goalText(ratio, GOAL, '', verdicts)})`;
    screen.labelled(
      `${handlers} ${handlers === 1 ? 'handler' : 'handlers'}`,
      handlers === 1 ? text : `${text}; ${ofLinear}`,
    );
  }
}

/** Runs one action. @returns its rate between a tenth and nine tenths of its entities, in batches per second. */
async function run(
  services: ServiceGroup,
  handlers: number,
  { batches, waitMs }: ScaleOptions,
  signal: AbortSignal,
): Promise<number> {
  const client = clientOf(services);
  try {
    const entities = entitiesOf(handlers * batches * BATCH_SIZE, 0);
    const seen: Progress[] = [];
    const { actionId } = await client.createAction({ actionType: 'noop', config: { waitMs }, entities });
    await client.waitForCompletion(actionId, {
      timeoutMs: ACTION_TIMEOUT_MS,
      signal,
      onProgress: ({ processed }) => seen.push({ at: performance.now(), processed }),
    });
    const rate = steadyRate(seen, entities.length);
    if (rate === undefined)
      throw new Error(
        `an action of ${thousands(entities.length)} entities is too short: give it more batches`,
      );
    return rate / BATCH_SIZE;
  } finally {
    client.close();
  }
}
