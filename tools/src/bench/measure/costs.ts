import { largestOf, totalOf, type Counts } from './counts.ts';
import { median } from './medians.ts';
import { CLIENT, MONGODB, type Usage } from './meter.ts';
import { figure, type Row } from './table.ts';

/** What a number of batches has cost. */
export interface Cost {
  readonly usage: Usage;
  readonly batches: number;
}

/** A column of a table of costs: repetitions of the same work. */
export interface CostColumn {
  readonly name: string;
  readonly costs: readonly Cost[];
}

/** Number of kinds of requests that a table names. Their sum covers all kinds. */
const MAX_KINDS = 9;

/** Returns the CPU time of everything but MongoDB and the benchmark itself, in ms. */
export function outsideMongo({ cpu }: Usage): number {
  return totalOf(new Map([...cpu].filter(([name]) => name !== MONGODB && name !== CLIENT)));
}

/** Returns the median of a cost per batch. */
export function perBatch(costs: readonly Cost[], valueOf: (usage: Usage) => number): number {
  return median(costs.map(({ usage, batches }) => valueOf(usage) / batches));
}

/** Builds the table of what a batch costs: CPU time by process, and requests by kind. */
export function costTable(title: string, columns: readonly CostColumn[]): [Row, Row[]] {
  const row = (label: string, valueOf: (usage: Usage) => number): Row => [
    label,
    ...columns.map(({ costs }) => figure(perBatch(costs, valueOf))),
  ];
  const group = (label: string, countsOf: (usage: Usage) => Counts): Row[] => {
    const all = columns.flatMap(({ costs }) => costs.map(({ usage }) => countsOf(usage)));
    const kinds = largestOf(all, MAX_KINDS);
    if (kinds.length === 0) return [];
    return [
      row(label, (usage) => totalOf(countsOf(usage))),
      ...kinds.map((kind) => row(`  ${kind}`, (usage) => countsOf(usage).get(kind) ?? 0)),
    ];
  };
  return [
    [title, ...columns.map(({ name }) => name)],
    [
      row('CPU outside MongoDB, ms', outsideMongo),
      ...group('CPU of all, ms', ({ cpu }) => cpu),
      ...group('Kafka requests', ({ kafka }) => kafka),
      ...group('MongoDB commands', ({ mongo }) => mongo),
      ...group('Redis commands', ({ redis }) => redis),
    ],
  ];
}
