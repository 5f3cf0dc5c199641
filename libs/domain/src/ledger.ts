import { addTallies, EMPTY_TALLY, tally, type Tally } from './accounting.ts';
import { EFFECTS, success, type Effect, type Outcome, type OutcomeStatus } from './outcome.ts';

/** The outcome of a position as it is logged. */
export interface LedgerEntry {
  readonly position: number;
  readonly status: OutcomeStatus;
  readonly code: string | null;
  /** What a success did; absent if it is unknown. */
  readonly effect?: Effect;
}

/** Positions from `first` to `last`, both included. */
export interface PositionRange {
  readonly first: number;
  readonly last: number;
}

/** Maximum number of ranges that are reported; there may be as many as there are positions. */
const MAX_RANGES = 20;

/**
 * Recomputes an action's counts from its logs, in whatever order they arrive. It keeps a bit for each position and
 * nothing of the logs themselves: 125 KB for a million positions.
 */
export class Ledger {
  readonly #total: number;
  readonly #seen: Uint8Array;
  #tally: Tally = EMPTY_TALLY;
  #batches = 0;
  #doubled = 0;
  #beyond = 0;

  /** @param total number of positions of the action. */
  constructor(total: number) {
    this.#total = total;
    this.#seen = new Uint8Array(Math.ceil(total / 8));
  }

  /** Adds the log of one batch. */
  add(entries: readonly LedgerEntry[]): void {
    this.#batches += 1;
    this.#tally = addTallies(this.#tally, tally(entries.map(outcomeOf)));
    for (const { position } of entries) this.#see(position);
  }

  get tally(): Tally {
    return this.#tally;
  }

  /** Number of logs that were added. */
  get batches(): number {
    return this.#batches;
  }

  /** Number of outcomes beyond the first one of each position. */
  get doubled(): number {
    return this.#doubled;
  }

  /** Number of outcomes of positions that the action does not have. */
  get beyond(): number {
    return this.#beyond;
  }

  /** Returns the first positions without an outcome, as at most 20 ranges. */
  missing(): PositionRange[] {
    const ranges: PositionRange[] = [];
    for (let position = 0; position < this.#total && ranges.length < MAX_RANGES; position += 1) {
      if (this.#has(position)) continue;
      const first = position;
      while (position + 1 < this.#total && !this.#has(position + 1)) position += 1;
      ranges.push({ first, last: position });
    }
    return ranges;
  }

  #see(position: number): void {
    if (position < 0 || position >= this.#total) this.#beyond += 1;
    else if (this.#has(position)) this.#doubled += 1;
    else this.#seen[position >> 3] = (this.#seen[position >> 3] ?? 0) | (1 << (position & 7));
  }

  #has(position: number): boolean {
    return ((this.#seen[position >> 3] ?? 0) & (1 << (position & 7))) !== 0;
  }
}

/** A figure that differs between the counts and the logs. */
export interface CountDrift {
  /** `success`, `failure`, `skipped`, a code, or an effect. */
  readonly what: string;
  readonly counted: number;
  readonly logged: number;
}

/**
 * Returns the figures in which the counts differ from those of the logs. Counts without effects, as actions of an older
 * version have them, are not compared by effect.
 */
export function driftOf(counted: Tally, logged: Tally): CountDrift[] {
  const codes = new Set([...Object.keys(counted.codes), ...Object.keys(logged.codes)]);
  return [
    ...(['success', 'failure', 'skipped'] as const).map((kind) => ({
      what: kind,
      counted: counted[kind],
      logged: logged[kind],
    })),
    ...[...codes].sort().map((code) => ({
      what: code,
      counted: counted.codes[code] ?? 0,
      logged: logged.codes[code] ?? 0,
    })),
    ...(counted.effects === undefined ? [] : EFFECTS).map((effect) => ({
      what: effect,
      counted: counted.effects?.[effect] ?? 0,
      logged: logged.effects?.[effect] ?? 0,
    })),
  ].filter((figure) => figure.counted !== figure.logged);
}

function outcomeOf({ status, code, effect }: LedgerEntry): Outcome {
  return status === 'success' ? success(effect) : { status, code: code ?? '', message: '' };
}
