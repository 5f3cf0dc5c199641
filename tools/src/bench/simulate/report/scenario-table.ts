import { figure, type Row } from '../../measure/table.ts';
import type { Parameters } from '../model/parameters.ts';
import { PARTS } from '../model/world.ts';
import type { Outcome } from '../simulation.ts';
import { percent } from './bound.ts';

/** A scenario with one number of partitions. */
export interface Column {
  readonly parameters: Parameters;
  readonly outcome: Outcome;
  /** Time of a small action while nothing else runs, in ms. */
  readonly aloneMs: number;
}

/** Builds the table of a scenario: a column for each number of partitions. */
export function scenarioTable(columns: readonly Column[]): { head: Row; rows: Row[] } {
  const cells = (label: string, cellOf: (column: Column) => string): Row => [label, ...columns.map(cellOf)];
  const parts = PARTS.filter((part) => columns.some(({ outcome }) => outcome.utilisation.has(part)));
  return {
    head: cells('partitions of a lane', ({ parameters }) => String(parameters.partitions)),
    rows: [
      cells('entities/s', ({ outcome }) => figure(outcome.perSecond)),
      cells('entities per batch', ({ outcome }) => figure(outcome.entities / outcome.batches)),
      cells('window of the lane, full batches', ({ outcome }) => figure(outcome.window)),
      cells('in flight, mean, full batches', ({ outcome }) => figure(outcome.inFlight)),
      cells('100 entities alone, ms', ({ aloneMs }) => figure(aloneMs)),
      cells('100 entities during the load, ms', ({ outcome }) => figure(outcome.smallMs)),
      cells('Kafka requests per batch', ({ outcome }) => figure(outcome.kafkaRequestsPerBatch)),
      cells('MongoDB commands per batch', ({ outcome }) => figure(outcome.mongoCommandsPerBatch)),
      ...parts
        .filter((part) => part !== 'client CPU')
        .map((part) =>
          cells(`busy, mean / most: ${part}`, ({ outcome }) => {
            const used = outcome.utilisation.get(part);
            return used === undefined ? '–' : `${percent(used.mean)} / ${percent(used.most)}`;
          }),
        ),
    ],
  };
}
