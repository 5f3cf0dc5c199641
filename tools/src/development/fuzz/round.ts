import { eventually } from '@bulk/testing';
import { exchange } from './exchange.ts';
import type { Finding } from './finding.ts';
import { KINDS, replaced, type Door, type Kind, type PlacedCase } from './fuzz-case.ts';
import { judge } from './judge.ts';
import { compareWithLedger, type JudgedCase, type Ledger } from './ledger.ts';
import { BOUNDS, readVitals, vitalBreaches, type VitalBounds, type Vitals, type Watched } from './vitals.ts';

/** The target of the attack. */
export interface Attackable {
  readonly ports: Readonly<Record<Door, number>>;
  readonly watched: readonly Watched[];
  readonly ledger: Ledger;
}

export interface RoundOptions {
  readonly target: Attackable;
  readonly seed: number;
  readonly round: number;
  readonly cases: readonly PlacedCase[];
  /** What each process held at first, by name; `undefined` to compare nothing. */
  readonly base: ReadonlyMap<string, Vitals> | undefined;
  readonly signal: AbortSignal;
  /** @default BOUNDS */
  readonly bounds?: VitalBounds;
  /** Longest time in which a process must release what it held for clients, in ms. */
  readonly settleMs?: number;
}

export interface RoundReport {
  readonly cases: Readonly<Record<Kind, number>>;
  /** Number of answers by status. */
  readonly statuses: ReadonlyMap<number, number>;
  /** Number of stored actions and of their positions. All of them have ended. */
  readonly actions: number;
  readonly positions: number;
  readonly vitals: ReadonlyMap<string, Vitals>;
  readonly findings: readonly Finding[];
}

/** Number of cases that are under way at once. */
const CONCURRENCY = 12;
/**
 * The service gives up an unfinished header or body after a second, and a refused connection after
 * two more.
 */
const SETTLE_MS = 15_000;

/** Runs the cases of a round and checks every invariant. */
export async function runRound(options: RoundOptions): Promise<RoundReport> {
  const { target, seed, round, cases, signal } = options;
  const texts = await target.ledger.begin();
  const findings: Finding[] = [];
  const find = (breach: string, placed?: PlacedCase): void => {
    findings.push({ seed, round, breach, placed });
  };
  const judged = await carryOut(cases, texts, target, signal);
  for (const { placed, verdict } of judged) for (const breach of verdict.breaches) find(breach, placed);
  const vitals = await readAll(options);
  for (const { name } of target.watched) {
    const now = vitals.get(name);
    const base = options.base?.get(name) ?? now;
    if (now === undefined || base === undefined) continue;
    for (const breach of vitalBreaches(name, base, now, options.bounds)) find(breach);
  }
  const report = await target.ledger.settle(signal);
  for (const { placed, breach } of await compareWithLedger(judged, report, target.ledger))
    find(breach, placed);
  return {
    cases: countByKind(cases),
    statuses: countStatuses(judged),
    actions: report.stored.length,
    positions: report.stored.reduce((sum, { total }) => sum + total, 0),
    vitals,
    findings,
  };
}

/** Reads what every process holds once it has released its clients, or at the end of the time. */
export async function readAll({
  target,
  base,
  bounds = BOUNDS,
  settleMs = SETTLE_MS,
}: Pick<RoundOptions, 'target' | 'base' | 'bounds' | 'settleMs'>): Promise<ReadonlyMap<string, Vitals>> {
  const seen = new Map<string, Vitals>();
  const read = async (watched: Watched): Promise<void> => {
    const isWell = async (): Promise<boolean> => {
      const now = await readVitals(watched);
      seen.set(watched.name, now);
      return (
        vitalBreaches(watched.name, base?.get(watched.name) ?? now, now, bounds).length === 0 ||
        !now.isRunning
      );
    };
    // The last reading reports what is not well by then.
    await eventually(`${watched.name} is well`, isWell, { timeoutMs: settleMs, everyMs: 200 }).catch(
      () => undefined,
    );
  };
  await Promise.all(target.watched.map(read));
  return seen;
}

async function carryOut(
  cases: readonly PlacedCase[],
  texts: ReadonlyMap<string, string>,
  { ports }: Attackable,
  signal: AbortSignal,
): Promise<JudgedCase[]> {
  const judged: JudgedCase[] = [];
  const left = cases.values();
  const worker = async (): Promise<void> => {
    for (const planned of left) {
      signal.throwIfAborted();
      // A finding shows what was sent.
      const placed = { ...planned, steps: replaced(planned.steps, texts) };
      const verdict = judge(placed, await exchange(placed, ports[placed.door], signal));
      judged.push({ placed, verdict });
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return judged;
}

function countByKind(cases: readonly PlacedCase[]): Record<Kind, number> {
  const counts = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>;
  for (const { kind } of cases) counts[kind] += 1;
  return counts;
}

function countStatuses(judged: readonly JudgedCase[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const status of judged.flatMap(({ verdict }) => verdict.statuses))
    counts.set(status, (counts.get(status) ?? 0) + 1);
  return counts;
}
