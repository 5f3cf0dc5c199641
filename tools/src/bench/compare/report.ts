import type { Screen } from '../../console/screen.ts';
import { thousands } from '../../console/screen.ts';
import { costTable, outsideMongo } from '../measure/costs.ts';
import { atLeast, atMost, goalText, verdictsOn, type Goal, type Verdicts } from '../measure/goals.ts';
import { median, timesOf } from '../measure/medians.ts';
import type { Usage } from '../measure/meter.ts';
import { figure, tableLines, type Row } from '../measure/table.ts';
import type { Smalls } from './measures.ts';
import { BATCH_SIZE } from './side.ts';

/** What one round of one side has measured. */
export interface Round extends Smalls {
  readonly update: Usage;
  readonly noop: Usage;
  /** Seconds of the raw writes. */
  readonly raw: number;
}

export interface Comparison {
  /** Name of the MongoDB that was measured. */
  readonly engine: string;
  readonly contacts: number;
  readonly platform: readonly Round[];
  readonly peerByEntity: readonly Round[];
  readonly peerByBatch: readonly Round[];
}

/** Goals of the comparison. */
export const GOALS = {
  updateOfPeer: atLeast(0.9),
  updateOfRaw: atLeast(0.85),
  noopOfPeer: atLeast(1),
  smallMs: atMost(50),
  cpuPerBatchMs: atMost(4),
} as const satisfies Record<string, Goal>;

/** Prints rates, ratios with their goals, and what a batch costs on each side. */
export function reportComparison(screen: Screen, comparison: Comparison): void {
  const verdicts = verdictsOn(comparison.engine);
  screen.labelled('MongoDB', comparison.engine);
  if (!verdicts.given) screen.labelled('', verdicts.reason);
  screen.labelled('medians', `of ${comparison.platform.length} rounds`);
  screen.line();
  screen.lines(tableLines(...ratesTable(comparison)));
  screen.line();
  screen.lines(ratioLines(comparison, verdicts));
  const sides = [
    ['ours', comparison.platform],
    ['peer, log per entity', comparison.peerByEntity],
    ['peer, log per batch', comparison.peerByBatch],
  ] as const;
  for (const [name, rounds] of sides) {
    screen.line();
    screen.lines(tableLines(...costsOf(name, rounds, comparison.contacts)));
  }
}

interface Rates {
  readonly update: number;
  readonly noop: number;
  readonly raw: number;
  readonly smallMs: number;
  readonly slowestSmallMs: number;
}

function ratesOf(rounds: readonly Round[], contacts: number): Rates {
  const rate = (secondsOf: (round: Round) => number): number =>
    median(rounds.map((round) => contacts / secondsOf(round)));
  const small = timesOf(rounds.flatMap(({ smallTimes }) => smallTimes));
  return {
    update: rate(({ update }) => update.seconds),
    noop: rate(({ noop }) => noop.seconds),
    raw: rate(({ raw }) => raw),
    smallMs: small.median,
    slowestSmallMs: small.slowest,
  };
}

function ratesTable({ platform, peerByEntity, peerByBatch, contacts }: Comparison): [Row, Row[]] {
  const rates = [platform, peerByEntity, peerByBatch].map((rounds) => ratesOf(rounds, contacts));
  const row = (label: string, of: (side: Rates) => string): Row => [label, ...rates.map(of)];
  return [
    ['', 'ours', 'peer, log per entity', 'peer, log per batch'],
    [
      row(`update of ${thousands(contacts)}, entities/s`, ({ update }) => thousands(update)),
      row(`no-op of ${thousands(contacts)}, entities/s`, ({ noop }) => thousands(noop)),
      row('the same bulk writes alone, entities/s', ({ raw }) => thousands(raw)),
      row('100 entities alone, ms, median', ({ smallMs }) => figure(smallMs)),
      row('100 entities alone, ms, slowest', ({ slowestSmallMs }) => figure(slowestSmallMs)),
    ],
  ];
}

/** Ratios of the platform, each with its goal. */
function ratioLines(comparison: Comparison, verdicts: Verdicts): string[] {
  const { platform, peerByEntity, peerByBatch, contacts } = comparison;
  const ours = ratesOf(platform, contacts);
  const [byEntity, byBatch] = [ratesOf(peerByEntity, contacts), ratesOf(peerByBatch, contacts)];
  const ratio = (label: string, value: number, goal?: Goal): string =>
    `${label}: ${value.toFixed(2)}${goal === undefined ? '' : ` (${goalText(value, goal, '', verdicts)})`}`;
  const cpu = (of: (round: Round) => Usage): number =>
    median(platform.map((round) => outsideMongo(of(round)) / (contacts / BATCH_SIZE)));
  const milliseconds = (label: string, value: number, goal: Goal): string =>
    `${label}: ${figure(value)} ms (${goalText(value, goal, ' ms', verdicts)})`;
  return [
    ratio(
      'update, ours ÷ the faster peer',
      ours.update / Math.max(byEntity.update, byBatch.update),
      GOALS.updateOfPeer,
    ),
    ratio('update, ours ÷ our raw writes', ours.update / ours.raw, GOALS.updateOfRaw),
    ratio('update, peer ÷ its raw writes', byBatch.update / byBatch.raw),
    ratio('raw writes, ours ÷ the peer', ours.raw / byBatch.raw),
    ratio('no-op, ours ÷ peer with a log per entity', ours.noop / byEntity.noop, GOALS.noopOfPeer),
    ratio('no-op, ours ÷ peer with a log per batch', ours.noop / byBatch.noop),
    milliseconds('100 entities alone', ours.smallMs, GOALS.smallMs),
    ratio('100 entities alone, ours ÷ the peer', ours.smallMs / byEntity.smallMs),
    milliseconds(
      `CPU outside MongoDB per ${BATCH_SIZE} entities, no-op`,
      cpu(({ noop }) => noop),
      GOALS.cpuPerBatchMs,
    ),
    milliseconds(
      `CPU outside MongoDB per ${BATCH_SIZE} entities, update`,
      cpu(({ update }) => update),
      GOALS.cpuPerBatchMs,
    ),
  ];
}

/** Builds the table of what 100 entities cost a side. */
function costsOf(name: string, rounds: readonly Round[], contacts: number): [Row, Row[]] {
  const batches = contacts / BATCH_SIZE;
  return costTable(`${name}, per ${BATCH_SIZE} entities`, [
    { name: 'update', costs: rounds.map(({ update }) => ({ usage: update, batches })) },
    { name: 'no-op', costs: rounds.map(({ noop }) => ({ usage: noop, batches })) },
    {
      name: 'small action',
      costs: rounds.map(({ small, smallTimes }) => ({ usage: small, batches: smallTimes.length })),
    },
  ]);
}
