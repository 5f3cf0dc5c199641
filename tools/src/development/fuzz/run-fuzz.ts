import { KINDS, type Kind } from './fuzz-case.ts';
import type { Finding } from './finding.ts';
import { planRound } from './plan-round.ts';
import { readAll, runRound, type Attackable, type RoundReport } from './round.ts';
import type { Route } from './routes.ts';
import type { Vitals } from './vitals.ts';

export interface FuzzOptions {
  readonly target: Attackable;
  readonly routes: readonly Route[];
  readonly seed: number;
  /** Time after which no further round starts, in ms. */
  readonly lastsMs: number;
  /** Number of cases of a round. @default ROUND_SIZE */
  readonly size?: number;
  /** One round, or one case of it, instead of all. */
  readonly only?: { readonly round: number; readonly index: number | undefined } | undefined;
  readonly signal: AbortSignal;
  readonly onRound?: (round: number, report: RoundReport) => void;
}

export interface FuzzReport {
  readonly rounds: number;
  readonly cases: Readonly<Record<Kind, number>>;
  readonly statuses: ReadonlyMap<number, number>;
  readonly actions: number;
  readonly positions: number;
  /** What each process held after the first round and after the last one. */
  readonly first: ReadonlyMap<string, Vitals>;
  readonly last: ReadonlyMap<string, Vitals>;
  readonly findings: readonly Finding[];
}

/**
 * Number of cases of a round. It is part of a case's place, `ROUND:CASE`, so that the place is the
 * same in every run.
 */
export const ROUND_SIZE = 240;

/**
 * Attacks in rounds until the time is over or a round finds something.
 *
 * The first round warms the processes up. What they hold after it is the base of the comparison.
 */
export async function runFuzz({ size = ROUND_SIZE, only, ...options }: FuzzOptions): Promise<FuzzReport> {
  const { target, routes, seed, signal } = options;
  const until = performance.now() + options.lastsMs;
  const reports: RoundReport[] = [];
  let base = only === undefined ? undefined : await readAll({ target, base: undefined });
  let round = only?.round ?? 0;
  do {
    const cases = planRound({ seed, round, size, routes }).filter(
      ({ index }) => only?.index === undefined || index === only.index,
    );
    const report = await runRound({ target, seed, round, cases, base, signal });
    reports.push(report);
    options.onRound?.(round, report);
    base ??= report.vitals;
    round += 1;
  } while (only === undefined && performance.now() < until && reports.at(-1)?.findings.length === 0);
  return sumOf(reports);
}

function sumOf(reports: readonly RoundReport[]): FuzzReport {
  const statuses = new Map<number, number>();
  for (const [status, count] of reports.flatMap((report) => [...report.statuses]))
    statuses.set(status, (statuses.get(status) ?? 0) + count);
  const sum = (value: (report: RoundReport) => number): number =>
    reports.reduce((total, report) => total + value(report), 0);
  return {
    rounds: reports.length,
    cases: Object.fromEntries(KINDS.map((kind) => [kind, sum(({ cases }) => cases[kind])])) as Record<
      Kind,
      number
    >,
    statuses,
    actions: sum(({ actions }) => actions),
    positions: sum(({ positions }) => positions),
    first: reports[0]?.vitals ?? new Map<string, Vitals>(),
    last: reports.at(-1)?.vitals ?? new Map<string, Vitals>(),
    findings: reports.flatMap(({ findings }) => findings),
  };
}
