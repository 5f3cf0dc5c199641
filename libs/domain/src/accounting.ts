import { EFFECTS, type Effect, type Outcome } from './outcome.ts';

/** Number of positions by outcome. */
export interface Counts {
  readonly success: number;
  readonly failure: number;
  readonly skipped: number;
}

/** Number of successes by what they did. Successes whose effect is unknown are in none of them. */
export type EffectCounts = Readonly<Record<Effect, number>>;

/** Counts, with the number of failures and skips per code. */
export interface Tally extends Counts {
  readonly codes: Readonly<Record<string, number>>;
  /** Number of successes per effect; absent: none has a known effect. */
  readonly effects?: Readonly<Partial<Record<Effect, number>>>;
}

export const NO_EFFECTS: EffectCounts = Object.freeze({ created: 0, updated: 0, unchanged: 0, deleted: 0 });

export const EMPTY_TALLY: Tally = Object.freeze({
  success: 0,
  failure: 0,
  skipped: 0,
  codes: Object.freeze({}),
});

/** Counts a list of outcomes. */
export function tally(outcomes: Iterable<Outcome>): Tally {
  const counts = { success: 0, failure: 0, skipped: 0 };
  const codes: Record<string, number> = {};
  const effects: Partial<Record<Effect, number>> = {};
  for (const outcome of outcomes) {
    const { status, code } = outcome;
    counts[status] += 1;
    if (code !== null) codes[code] = (codes[code] ?? 0) + 1;
    else if (outcome.effect !== undefined) effects[outcome.effect] = (effects[outcome.effect] ?? 0) + 1;
  }
  return { ...counts, codes, ...presentEffects(effects) };
}

/** Adds two tallies. A code or an effect whose sum is 0 is left out. */
export function addTallies(a: Tally, b: Tally): Tally {
  return combine(a, b, 1);
}

/**
 * Subtracts tally `b` from tally `a`. Parts of the result may be negative. A code or an effect whose difference is 0 is
 * left out.
 */
export function subtractTallies(a: Tally, b: Tally): Tally {
  return combine(a, b, -1);
}

function combine(a: Tally, b: Tally, sign: 1 | -1): Tally {
  const codes: Record<string, number> = { ...a.codes };
  for (const [code, n] of Object.entries(b.codes)) codes[code] = (codes[code] ?? 0) + sign * n;
  return {
    success: a.success + sign * b.success,
    failure: a.failure + sign * b.failure,
    skipped: a.skipped + sign * b.skipped,
    codes: Object.fromEntries(Object.entries(codes).filter(([, n]) => n !== 0)),
    ...presentEffects(
      Object.fromEntries(
        EFFECTS.map((effect) => [effect, (a.effects?.[effect] ?? 0) + sign * (b.effects?.[effect] ?? 0)]),
      ),
    ),
  };
}

/** Returns the effects that are not 0, as a part of a tally; nothing if there is none. */
function presentEffects(effects: NonNullable<Tally['effects']>): Pick<Tally, 'effects'> {
  const present = Object.entries(effects).filter(([, n]) => n !== 0);
  return present.length === 0 ? {} : { effects: Object.fromEntries(present) };
}

/** Returns the number of positions that have an outcome. */
export function processed(counts: Counts): number {
  return counts.success + counts.failure + counts.skipped;
}

/** The progress of an action, derived from its counts and times. */
export interface ProgressFigures {
  readonly processed: number;
  /** 0 to 100, rounded down to one decimal: 100 only when every position has an outcome. */
  readonly percent: number;
  /** Positions per second of running time, one decimal; null while there is no measurable span. */
  readonly rate: number | null;
  /** When the last outcome is expected at this rate; null if unknown, paused or finished. */
  readonly eta: Date | null;
}

export interface ProgressInput extends Counts {
  readonly total: number;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  /** When the present pause started to hold the action up; null if it is not paused. */
  readonly pausedSince: Date | null;
  /** Duration of its earlier pauses since the first outcome, in ms. */
  readonly pausedMs: number;
}

export function progressFigures(input: ProgressInput, now: Date): ProgressFigures {
  const done = processed(input);
  const percent = input.total === 0 ? 100 : Math.floor((done / input.total) * 1000) / 10;
  const until = input.finishedAt ?? input.pausedSince ?? now;
  const ranMs = input.startedAt === null ? 0 : until.getTime() - input.startedAt.getTime() - input.pausedMs;
  const seconds = ranMs / 1000;
  const rate = seconds > 0 ? Math.round((done / seconds) * 10) / 10 : null;
  const remaining = input.total - done;
  const eta =
    rate !== null && rate > 0 && remaining > 0 && input.finishedAt === null && input.pausedSince === null
      ? new Date(now.getTime() + (remaining / rate) * 1000)
      : null;
  return { processed: done, percent, rate, eta };
}
