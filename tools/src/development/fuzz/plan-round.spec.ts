import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { workspaceRoot } from '@bulk/local-stack';
import { apiDocuments } from '../../generators/api-docs/api-documents.ts';
import { accountOfCase, CASE_ACCOUNT, DOORS, KINDS, replaced, type PlacedCase } from './fuzz-case.ts';
import { planRound } from './plan-round.ts';
import { routesOf } from './routes.ts';

const routes = routesOf((await apiDocuments(workspaceRoot)).openapi);
const plan = (seed: number, round: number, size = 300): PlacedCase[] =>
  planRound({ seed, round, size, routes });

/** Returns the digest of all cases. To compare their bytes one by one takes long. */
function digest(cases: readonly PlacedCase[]): string {
  const hash = createHash('sha256');
  for (const { steps, ...rest } of cases) {
    hash.update(JSON.stringify(rest));
    for (const { bytes, ...how } of steps) hash.update(JSON.stringify(how)).update(bytes);
  }
  return hash.digest('hex');
}

describe('planRound', () => {
  it('plans the same cases for the same seed and round, and others for another', () => {
    expect(digest(plan(1, 1))).toBe(digest(plan(1, 1)));
    expect(digest(plan(1, 1))).not.toBe(digest(plan(1, 2)));
    expect(digest(plan(1, 1))).not.toBe(digest(plan(2, 1)));
  });

  it('attacks every port and every route with every kind within a few rounds', () => {
    const cases = [0, 1, 2, 3, 4].flatMap((round) => plan(7, round));
    expect(new Set(cases.map(({ kind }) => kind))).toEqual(new Set(KINDS));
    expect(new Set(cases.map(({ door }) => door))).toEqual(new Set(DOORS));
    const asked = cases.map(({ what }) => what);
    for (const { method, path } of routes)
      expect(asked.filter((what) => what.startsWith(`${method} ${path}`)).length).toBeGreaterThan(0);
    expect(routes.length).toBeGreaterThan(10);
  });

  it('gives each case its own account name, as long as the text that it replaces', () => {
    expect(accountOfCase({ round: 3, index: 12 })).toHaveLength(CASE_ACCOUNT.length);
    const all = Buffer.concat(plan(1, 3).flatMap(({ steps }) => steps.map(({ bytes }) => bytes)));
    expect(all.includes(CASE_ACCOUNT)).toBe(false);
    expect(all.includes('fuzz-000003-')).toBe(true);
  });
});

describe('replaced', () => {
  it('finds a text that is split in two and leaves all other bytes unchanged', () => {
    const steps = [
      { bytes: Buffer.from([0xff, 0x61]), pauseMs: 5 },
      { bytes: Buffer.from([0x62, 0xfe, 0x00]) },
    ];
    expect(replaced(steps, new Map([['ab', 'cd']]))).toEqual([
      { bytes: Buffer.from([0xff, 0x63]), pauseMs: 5 },
      { bytes: Buffer.from([0x64, 0xfe, 0x00]) },
    ]);
  });
});
