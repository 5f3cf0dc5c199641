import type { Meter, Usage } from '../measure/meter.ts';
import { entitiesOf } from './contacts.ts';
import type { RunningSide, Side } from './side.ts';

/** What all measurements of a run share. */
export interface Measuring {
  readonly meter: Meter;
  readonly contacts: number;
  /** Number of small actions per round. */
  readonly smallRuns: number;
  /** The next shift of values. It rises with each action, so that each one changes every contact. */
  readonly shifts: { next: number };
  readonly signal: AbortSignal;
}

/** Number of entities of a small action. */
export const SMALL = 100;
/** Number of small actions before the first measured one: connections and compiled code. */
const WARM_UP = 3;

/** Measures one action over all contacts. @throws Error unless it changed each contact exactly once, or none. */
export async function measureLarge(
  side: Side,
  running: RunningSide,
  actionType: 'update' | 'noop',
  { meter, contacts, shifts }: Measuring,
): Promise<Usage> {
  const before = await side.versions();
  const entities = entitiesOf(contacts, shifts.next++);
  const usage = await meter.during(running.metered, async () => {
    const startedAt = performance.now();
    await running.run(actionType, entities);
    return (performance.now() - startedAt) / 1000;
  });
  const changed = (await side.versions()) - before;
  const expected = actionType === 'update' ? contacts : 0;
  if (changed === expected) return usage;
  throw new Error(`${side.name}: ${changed} changes of contacts, expected ${expected}`);
}

/** What the small actions of a round have taken. */
export interface Smalls {
  /** The cost of all together. */
  readonly small: Usage;
  /** Duration of each, in ms. */
  readonly smallTimes: readonly number[];
}

/** Measures small actions alone, one after the other, once the processes are warm. */
export async function measureSmalls(running: RunningSide, measuring: Measuring): Promise<Smalls> {
  const { meter, contacts, smallRuns, shifts, signal } = measuring;
  const one = async (): Promise<number> => {
    signal.throwIfAborted();
    const entities = entitiesOf(Math.min(SMALL, contacts), shifts.next++);
    const startedAt = performance.now();
    await running.run('update', entities);
    return performance.now() - startedAt;
  };
  for (let i = 0; i < WARM_UP; i += 1) await one();
  const smallTimes: number[] = [];
  const small = await meter.during(running.metered, async () => {
    const startedAt = performance.now();
    while (smallTimes.length < smallRuns) smallTimes.push(await one());
    return (performance.now() - startedAt) / 1000;
  });
  return { small, smallTimes };
}

/** Runs work with fresh processes of a side. */
export async function withFresh<T>(side: Side, work: (running: RunningSide) => Promise<T>): Promise<T> {
  const running = await side.start();
  try {
    return await work(running);
  } finally {
    await running.stop();
  }
}
