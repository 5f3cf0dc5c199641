import type { Parameters } from '../model/parameters.ts';
import type { Part } from '../model/world.ts';
import type { Outcome } from '../simulation.ts';

/** Utilisation from which on a part bounds the throughput. */
const BUSY = 0.85;
/** Part of a limit of batches in flight from which on that limit bounds the throughput. */
const FULL = 0.8;
/**
 * Part of the window from which on the window bounds the throughput. A lane is filled only at looks, and
 * two batches stay free for newcomers.
 */
const WINDOW_FULL = 0.55;

const NAMES: Readonly<Partial<Record<Part, string>>> = {
  'shared cores': 'the cores that all processes share',
  'intake CPU': 'the CPU of an intake',
  'Kafka sends': 'one request at a time from a process to a broker',
  'Kafka CPU': 'the CPU of a broker',
  'lane partitions': 'a partition of a lane, which works in order',
  'handler places': 'PARTITION_CONCURRENCY of handler',
  'handler CPU': 'the CPU of a handler',
  'entity writes': 'two bulk writes at a time of a handler',
  'Redis CPU': 'Redis',
  'MongoDB CPU': 'the cores of MongoDB',
  'results partitions': 'a partition of the results, which is counted in order',
  'aggregator CPU': 'the CPU of a stats-aggregator',
  'notifier CPU': 'the CPU of a notifier',
};

/** Says which part, or which limit, bounds the throughput of a scenario. */
export function boundOf(outcome: Outcome, { actionBatches, accountBatches }: Parameters): string {
  const { part, most } = busiestOf(outcome);
  if (part !== undefined && most >= BUSY) return `${NAMES[part] ?? part} (${percent(most)} busy)`;
  const limit = Math.min(actionBatches, accountBatches);
  const window = outcome.window ?? 0;
  const busiest = part === undefined ? '' : `; the busiest part, ${part}, is ${percent(most)} busy`;
  if (window > limit && outcome.inFlight >= FULL * limit) {
    return `the limit of ${limit} batches in flight of an action${busiest}`;
  }
  const flight = `${outcome.inFlight.toFixed(1)} of ${Math.round(window)} full batches in flight`;
  if (outcome.inFlight >= WINDOW_FULL * window) return `the window of the lane (${flight}${busiest})`;
  return `the time of a batch and the looks between (${flight}${busiest})`;
}

function busiestOf({ utilisation }: Outcome): { part: Part | undefined; most: number } {
  let busiest: { part: Part | undefined; most: number } = { part: undefined, most: 0 };
  for (const [part, { most }] of utilisation) if (most > busiest.most) busiest = { part, most };
  return busiest;
}

/** Formats 0.123 as 12 %. */
export function percent(part: number): string {
  return `${Math.round(part * 100)} %`;
}
