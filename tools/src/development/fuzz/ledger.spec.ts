import { describe, expect, it } from '@jest/globals';
import { accountOfCase, type PlacedCase } from './fuzz-case.ts';
import type { Verdict } from './judge.ts';
import { compareWithLedger, type JudgedCase, type LedgerReport } from './ledger.ts';

const SETTLED: Verdict = { breaches: [], statuses: [400], accepted: [], isSettled: true };

function judged(index: number, verdict: Partial<Verdict> = {}): JudgedCase {
  const placed: PlacedCase = {
    kind: 'uploads',
    door: 'intake',
    what: 'an upload',
    steps: [],
    ending: 'read',
    isWhole: true,
    round: 1,
    index,
  };
  return { placed, verdict: { ...SETTLED, ...verdict } };
}

async function breachesOf(cases: readonly JudgedCase[], report: Partial<LedgerReport>): Promise<string[]> {
  const ledger = { has: (actionId: string) => Promise.resolve(actionId === 'earlier') };
  const found = await compareWithLedger(cases, { stored: [], breaches: [], ...report }, ledger);
  return found.map(({ breach }) => breach);
}

const ofCase = (index: number, total = 1) => ({
  actionId: `a${index}`,
  accountId: accountOfCase({ round: 1, index }),
  total,
});

describe('compareWithLedger', () => {
  it('passes what is stored as promised, and what a disconnected client may have caused', async () => {
    const accepted = [{ actionId: 'a0', total: 1 }];
    const left = judged(1, { isSettled: false });
    expect(await breachesOf([judged(0, { accepted }), left], { stored: [ofCase(0), ofCase(1)] })).toEqual([]);
    expect(await breachesOf([judged(0, { accepted: [{ actionId: 'earlier', total: 1 }] })], {})).toEqual([]);
  });

  it.each([
    [
      'an action that is promised and not stored',
      judged(0, { accepted: [{ actionId: 'a0', total: 1 }] }),
      {},
    ],
    [
      'an action that is stored with another total',
      judged(0, { accepted: [{ actionId: 'a0', total: 2 }] }),
      { stored: [ofCase(0)] },
    ],
    ['an action that is stored although it was refused', judged(0), { stored: [ofCase(0)] }],
    [
      'an unknown action when no client disconnected',
      judged(0),
      { stored: [{ actionId: 'b', accountId: 'other', total: 1 }] },
    ],
    ['outcomes that do not add up', judged(0), { breaches: ['position 1 has more than one outcome'] }],
  ])('reports a fault for %s', async (_what, one, report) => {
    expect(await breachesOf([one], report)).toHaveLength(1);
  });
});
