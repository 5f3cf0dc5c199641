import type { ServiceContext } from '@bulk/runtime';
import cron from 'node-cron';
import type { FirstPositionUpkeep } from './clean-up/first-position-upkeep.ts';
import type { Janitor } from './clean-up/janitor.ts';
import type { IntakeConfig } from './config.ts';
import type { Dispatcher } from './dispatch/dispatcher.ts';

/**
 * Starting a clean-up once a minute is enough, because it runs until nothing is left to clean up.
 */
const JANITOR_CRON = '* * * * *';
/** Redis may hold first positions for up to this interval after they are due. */
const FIRST_POSITIONS_CRON = '*/10 * * * * *';

/** What runs at set times. */
export interface ScheduledParts {
  readonly dispatcher: Pick<Dispatcher, 'wake'>;
  readonly janitor: Pick<Janitor, 'sweep'>;
  readonly sweeper: { sweep(): Promise<unknown> };
  readonly firstPositions: FirstPositionUpkeep;
}

/** Starts what runs at set times, and registers its end. A failed run is logged and waits for the next one. */
export function startSchedules(
  { dispatcher, janitor, sweeper, firstPositions: { release, renewal } }: ScheduledParts,
  config: Pick<IntakeConfig, 'DISPATCH_CRON' | 'GAP_SWEEP_CRON'>,
  { log, releasers }: Pick<ServiceContext, 'log' | 'releasers'>,
): void {
  const stopping = new AbortController();
  let cleanUp = Promise.resolve();
  const warned = async (work: Promise<unknown>, message: string): Promise<void> => {
    await work.catch((error: unknown) => log.warn({ err: error }, message));
  };
  const every = (expression: string, work: () => unknown) =>
    cron.schedule(expression, work, { noOverlap: true });
  const tasks = [
    every(config.DISPATCH_CRON, () => dispatcher.wake()),
    every(JANITOR_CRON, () => (cleanUp = warned(janitor.sweep(stopping.signal), 'Clean-up interrupted'))),
    every(config.GAP_SWEEP_CRON, () => warned(sweeper.sweep(), 'Search for missing batches interrupted')),
  ];
  releasers.push('schedules', async () => {
    stopping.abort();
    for (const task of tasks) await task.destroy();
    await cleanUp;
  });
  const upkeep = every(FIRST_POSITIONS_CRON, async () => {
    await warned(renewal.renewIfDue(), 'First positions not renewed; retrying later');
    await warned(release.sweep(), 'First positions not released; retrying later');
  });
  releasers.push('first positions', async () => {
    await upkeep.destroy();
  });
}
