import fc from 'fast-check';
import { rawCases } from './cases/raw-cases.ts';
import { requestCases } from './cases/request-cases.ts';
import { socketCases } from './cases/socket-cases.ts';
import { tokenCases } from './cases/token-cases.ts';
import { uploadCases } from './cases/upload-cases.ts';
import { accountOfCase, CASE_ACCOUNT, replaced, type FuzzCase, type PlacedCase } from './fuzz-case.ts';
import type { Route } from './routes.ts';

export interface RoundPlan {
  /** The same seed, round and size give the same cases. */
  readonly seed: number;
  readonly round: number;
  /** Number of cases. */
  readonly size: number;
  readonly routes: readonly Route[];
}

/** Generates the cases of a round. A case that names `CASE_ACCOUNT` gets an account of its own. */
export function planRound({ seed, round, size, routes }: RoundPlan): PlacedCase[] {
  const cases: fc.Arbitrary<FuzzCase> = fc.oneof(
    { weight: 6, arbitrary: rawCases },
    { weight: 6, arbitrary: requestCases(routes) },
    { weight: 4, arbitrary: uploadCases },
    { weight: 4, arbitrary: socketCases },
    { weight: 2, arbitrary: tokenCases },
  );
  return fc.sample(cases, { seed: seedOf(seed, round), numRuns: size }).map((fuzzed, index) => {
    const place = { round, index };
    const texts = new Map([[CASE_ACCOUNT, accountOfCase(place)]]);
    return { ...fuzzed, ...place, steps: replaced(fuzzed.steps, texts) };
  });
}

/** Returns a seed that is distinct for each round, and far from those of the next seed. */
function seedOf(seed: number, round: number): number {
  return (Math.imul(seed, 0x9e3779b1) + Math.imul(round + 1, 0x85ebca6b)) | 0;
}
