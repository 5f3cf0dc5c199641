import { CodedError } from '@bulk/domain';
import type { CommandContext } from '../console/command.ts';
import { Screen, thousands } from '../console/screen.ts';
import { whileAllLive } from '../installation/deaths.ts';
import type { ServiceGroup } from '../processes/service-group.ts';
import { entitiesOf } from './compare/contacts.ts';
import { clientOf } from './compare/platform-side.ts';
import { ACCOUNT, ACTION_TIMEOUT_MS, BATCH_SIZE } from './compare/side.ts';
import { megabytes, mongoEngine, type StackOption } from './installation.ts';
import { measuredInstallation } from './measured-installation.ts';
import { cpuTime } from './measure/cpu.ts';
import { atMost, goalText, verdictsOn } from './measure/goals.ts';
import { Crowd } from './subscribers/crowd.ts';

export interface SubscribersOptions extends StackOption {
  readonly connections: number;
  /** Number of processes that the connections are spread over. */
  readonly processes: number;
  /** Number of batches of the action, each of which takes WAIT_MS. */
  readonly batches: number;
}

/** Time from the last counted outcome until every subscriber has seen the end, in ms. */
const GOAL = atMost(2_000);
/** Time that each batch takes, in ms, so that the action lasts and most of the CPU is free. */
const WAIT_MS = 200;
/** Number of batches that handler processes at the same time. */
const CONCURRENCY = 4;
/** Number of connections in addition to the subscribers'. */
const SPARE = 100;

interface Measured {
  readonly frames: number;
  /** Times from the last counted outcome to the first and to the last completed frame, in ms. */
  readonly firstMs: number;
  readonly lastMs: number;
  readonly seconds: number;
  readonly memoryBefore: number | undefined;
  readonly memory: number | undefined;
  readonly cpuSeconds: number;
}

/** Measures how soon many subscribers of one notifier see the end of an action, and what that costs. */
export async function benchSubscribers(options: SubscribersOptions, context: CommandContext): Promise<void> {
  const { signal } = context;
  const screen = new Screen(process.stdout);
  const installation = await measuredInstallation(screen, options, BATCH_SIZE, context);
  const { stack } = installation;
  const most = String(options.connections + SPARE);
  const services = await installation.start({
    extraEnv: {
      handler: { PARTITION_CONCURRENCY: String(CONCURRENCY) },
      notifier: { MAX_CONNECTIONS: most, MAX_ACCOUNT_CONNECTIONS: most },
    },
  });
  const crowds: Crowd[] = [];
  context.releasers.push('subscribers', () => crowds.forEach((crowd) => crowd.close()));
  const measured = await whileAllLive(
    { services, stack, signal },
    measure(screen, { services, options, signal, crowds }),
  );
  const engine = await mongoEngine(stack);
  const { connections } = options;
  const { lastMs, firstMs, frames, seconds, memory, memoryBefore, cpuSeconds } = measured;
  screen.line();
  screen.labelled('MongoDB', engine);
  screen.labelled(
    'final',
    `all ${thousands(connections)} have seen the end ${thousands(lastMs)} ms after the last counted outcome, ` +
      `the first one after ${thousands(firstMs)} ms (${goalText(lastMs, GOAL, ' ms', verdictsOn(engine))})`,
  );
  screen.labelled('ratio', `${(lastMs / GOAL.value).toFixed(2)} of the goal`);
  screen.labelled(
    'frames',
    `${thousands(frames)} in ${seconds.toFixed(1)} s, ${thousands(frames / seconds)} frames/s`,
  );
  screen.labelled(
    'memory',
    `notifier's peak: ${megabytes(memory)}, ${megabytes(memoryBefore)} before the subscribers came`,
  );
  screen.labelled('CPU', `notifier: ${(cpuSeconds / seconds).toFixed(2)} cores during the action`);
}

interface Bench {
  readonly services: ServiceGroup;
  readonly options: SubscribersOptions;
  readonly signal: AbortSignal;
  /** Filled with the processes of the subscribers. */
  readonly crowds: Crowd[];
}

async function measure(screen: Screen, { services, options, signal, crowds }: Bench): Promise<Measured> {
  const client = clientOf(services);
  const notifier = services.member('notifier');
  const memoryBefore = notifier.peakMemory();
  const { connections, processes, batches } = options;
  try {
    const entities = entitiesOf(batches * BATCH_SIZE, 0);
    // It is paused until all have subscribed.
    const { actionId } = await client.createAction({
      actionType: 'noop',
      config: { waitMs: WAIT_MS },
      entities,
    });
    await client.pauseAction(actionId);
    await screen.step(
      'subscribe',
      async () => {
        for (let i = 0; i < processes; i += 1) {
          const share = Math.floor(connections / processes) + (i < connections % processes ? 1 : 0);
          crowds.push(
            new Crowd({ url: services.notifierUrl, accountId: ACCOUNT, actionId, connections: share }),
          );
        }
        await Promise.all(crowds.map(({ subscribed }) => subscribed));
      },
      () => `${thousands(connections)} connections from ${processes} processes`,
    );
    const cpuBefore = cpuTime(notifier.pid) ?? Number.NaN;
    const startedAt = performance.now();
    const reports = await screen.step(
      'action',
      async () => {
        await client.resumeAction(actionId);
        const all = Promise.all(crowds.map(({ ended }) => ended));
        await client.waitForCompletion(actionId, { timeoutMs: ACTION_TIMEOUT_MS, signal });
        return all;
      },
      () => `${thousands(entities.length)} entities`,
    );
    const seconds = (performance.now() - startedAt) / 1000;
    const cpuSeconds = ((cpuTime(notifier.pid) ?? Number.NaN) - cpuBefore) / 1000;
    const { finishedAt } = await client.getAction(actionId);
    if (finishedAt === null) throw new CodedError('UNEXPECTED_ANSWER', 'the action has no end');
    const since = (at: number): number => at - Date.parse(finishedAt);
    return {
      frames: reports.reduce((sum, { frames }) => sum + frames, 0),
      firstMs: since(Math.min(...reports.map(({ firstSeenAt }) => firstSeenAt))),
      lastMs: since(Math.max(...reports.map(({ lastSeenAt }) => lastSeenAt))),
      seconds,
      memoryBefore,
      memory: notifier.peakMemory(),
      cpuSeconds,
    };
  } finally {
    client.close();
  }
}
