import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ChaosTarget, runRound } from '@bulk/tools/chaos';

/**
 * A text with faults that differ much. Another text gives others.
 *
 * One broker, because it starts within seconds; `three-brokers.e2e.ts` has three. Longer runs: `npm
 * run chaos`.
 */
const TEXT = 'e2e-48';
const noted: string[] = [];
let target: ChaosTarget;
beforeAll(async () => {
  target = await ChaosTarget.start({
    name: `chaos-${process.pid}`,
    instances: { intake: 2, handler: 2, 'stats-aggregator': 2 },
  });
}, 240_000);
afterAll(() => target.close(), 120_000);

describe('a round of chaos', () => {
  it('leaves every record and outcome as a sequential model predicts', async () => {
    const report = await runRound({
      target,
      text: TEXT,
      size: { chains: 4, length: 3, positions: 1_200 },
      faults: 6,
      signal: new AbortController().signal,
      note: (line) => noted.push(line),
    });
    expect(report.differences).toEqual([]);
    // Without faults the run would prove nothing. On a fast machine the actions may end before all
    // of them.
    expect(report.faults.length).toBeGreaterThanOrEqual(2);
    expect(report.postponed).toBeGreaterThan(0);
    expect(noted).not.toContainEqual(expect.stringContaining('ended by itself'));
  }, 400_000);
});
