import type { PlacedCase } from './fuzz-case.ts';

/** A breach of an invariant, with its place. */
export interface Finding {
  readonly seed: number;
  readonly round: number;
  readonly breach: string;
  /** The case at fault; `undefined` for the round as a whole. */
  readonly placed: PlacedCase | undefined;
}

/** Maximum number of bytes of a case that are shown. The command repeats all of them. */
const MAX_SHOWN = 12_000;

/** Describes a finding with everything that is needed to repeat it. */
export function describeFinding({ seed, round, breach, placed }: Finding): string {
  if (placed === undefined) {
    return [
      `round ${round}: ${breach}`,
      `  repeat the round with: npm run fuzz -- --seed ${seed} --only ${round}`,
    ].join('\n');
  }
  const { index, kind, door, what, steps, ending } = placed;
  const bytes = Buffer.concat(steps.map((step) => step.bytes));
  return [
    `round ${round}, case ${index} (${kind}, ${door}: ${what}): ${breach}`,
    `  steps of ${steps.map((step) => `${step.bytes.length} bytes`).join(', ')}, then ${ending}; in base64:`,
    `  ${bytes.toString('base64').slice(0, MAX_SHOWN)}`,
    `  repeat it with: npm run fuzz -- --seed ${seed} --only ${round}:${index}`,
  ].join('\n');
}
