/** A bound that a measured figure must keep. */
export interface Goal {
  readonly kind: 'at least' | 'at most';
  readonly value: number;
}

export const atLeast = (value: number): Goal => ({ kind: 'at least', value });
export const atMost = (value: number): Goal => ({ kind: 'at most', value });

/** Whether measurements of this MongoDB get a verdict, and why not. */
export interface Verdicts {
  readonly given: boolean;
  /** A line for the reader; empty if verdicts are given. */
  readonly reason: string;
}

/** The name of the Python build of SecantusDB, as the local stack gives it. */
const PYTHON_ENGINE = 'SecantusDB (wheel)';

/** The Python build of SecantusDB is several times slower than a MongoDB, so its figures say nothing about the goals. */
export function verdictsOn(engine: string): Verdicts {
  if (engine !== PYTHON_ENGINE) return { given: true, reason: '' };
  return {
    given: false,
    reason: `no verdict: ${PYTHON_ENGINE}, the Python build of the MongoDB stand-in, bounds every figure`,
  };
}

/** Says what the goal is and, where verdicts are given, whether the value reaches it. */
export function goalText(
  value: number,
  { kind, value: bound }: Goal,
  unit: string,
  verdicts: Verdicts,
): string {
  const text = `goal: ${kind} ${bound}${unit}`;
  if (!verdicts.given || Number.isNaN(value)) return text;
  const reached = kind === 'at least' ? value >= bound : value <= bound;
  return `${text}, ${reached ? 'reached' : 'missed'}`;
}
