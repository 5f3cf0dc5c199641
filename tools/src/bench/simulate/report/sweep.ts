import { figure, type Row } from '../../measure/table.ts';
import type { ParameterName, Parameters } from '../model/parameters.ts';
import type { Scenario } from '../scenarios.ts';
import { simulate } from '../simulation.ts';

/** A change of one or several parameters by a factor. */
interface Change {
  readonly name: string;
  readonly factors: Readonly<Partial<Record<ParameterName, number>>>;
}

const CHANGES: readonly Change[] = [
  { name: 'intakes × 2', factors: { intakes: 2 } },
  { name: 'handlers × 2', factors: { handlers: 2 } },
  { name: 'PARTITION_CONCURRENCY × 2', factors: { places: 2 } },
  { name: 'stats-aggregators and results partitions × 2', factors: { aggregators: 2, resultsPartitions: 2 } },
  { name: 'brokers × 2', factors: { brokers: 2 } },
  { name: 'MongoDB cores × 2', factors: { mongoCores: 2 } },
  { name: 'majority write ÷ 2', factors: { majorityMs: 0.5 } },
  { name: 'confirmation of a send ÷ 2', factors: { acksMs: 0.5 } },
  { name: 'round trip ÷ 2', factors: { roundTripMs: 0.5 } },
  { name: 'partitions of a lane × 2', factors: { partitions: 2 } },
  {
    name: 'partitions of a lane and MongoDB cores × 2',
    factors: { partitions: 2, mongoCores: 2 },
  },
  { name: 'partitions of a lane ÷ 2', factors: { partitions: 0.5 } },
  { name: 'entities of a batch × 2', factors: { batchSize: 2 } },
  { name: 'minimum window × 2', factors: { laneMinPercent: 2 } },
  { name: 'minimum window × 4', factors: { laneMinPercent: 4 } },
  { name: 'minimum window ÷ 2', factors: { laneMinPercent: 0.5 } },
  { name: 'tolerance × 2', factors: { tolerancePercent: 2 } },
  {
    name: 'batches in flight of an action and account × 2',
    factors: { actionBatches: 2, accountBatches: 2 },
  },
  { name: 'DISPATCH_POLL_MS ÷ 4', factors: { pollMs: 0.25 } },
  { name: 'COUNTING_INTERVAL_MS ÷ 2', factors: { countingIntervalMs: 0.5 } },
  { name: 'KAFKA_FETCH_LINGER_MS ÷ 5', factors: { fetchLingerMs: 0.2 } },
];

export interface SweepOptions {
  readonly parameters: Parameters;
  readonly scenarios: readonly Scenario[];
  readonly seed: number;
}

/** Simulates each change of the parameters alone. @returns the throughput as a multiple of that without it. */
export async function sweepRows({ parameters, scenarios, seed }: SweepOptions): Promise<Row[]> {
  const rateOf = async (scenario: Scenario, changed: Parameters): Promise<number> =>
    (await simulate(scenario, changed, { seed, withSmall: false })).perSecond;
  const before = await inTurn(scenarios, (scenario) => rateOf(scenario, parameters));
  const rows = await inTurn(CHANGES, async ({ name, factors }) => {
    const after = await inTurn(scenarios, (scenario) => rateOf(scenario, changedBy(parameters, factors)));
    return { name, ratios: after.map((rate, i) => rate / (before[i] ?? Number.NaN)) };
  });
  return [
    ['as it is, entities/s', ...before.map(figure)],
    ...rows.map(({ name, ratios }): Row => [name, ...ratios.map((ratio) => `× ${ratio.toFixed(2)}`)]),
  ];
}

/** Multiplies parameters by factors. Whole numbers stay whole and above zero. */
export function changedBy(parameters: Parameters, factors: Change['factors']): Parameters {
  const changed = Object.entries(factors).map(([name, factor]) => {
    const value = parameters[name as ParameterName];
    const product = value * factor;
    return [
      name,
      Number.isInteger(value) && !name.endsWith('Ms') ? Math.max(1, Math.round(product)) : product,
    ];
  });
  return { ...parameters, ...Object.fromEntries(changed) } as Parameters;
}

async function inTurn<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}
