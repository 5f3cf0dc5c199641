import { describe, expect, it } from '@jest/globals';
import { describeFinding } from './finding.ts';
import type { PlacedCase } from './fuzz-case.ts';

const placed: PlacedCase = {
  kind: 'raw bytes',
  door: 'notifier',
  what: 'random bytes',
  steps: [{ bytes: Buffer.from([0, 255]) }, { bytes: Buffer.from('ab') }],
  ending: 'reset',
  isWhole: false,
  round: 4,
  index: 17,
};

describe('describeFinding', () => {
  it('shows the bytes of the case and the command that repeats it', () => {
    const text = describeFinding({ seed: 9, round: 4, breach: 'status 500', placed });
    expect(text).toContain('status 500');
    expect(text).toContain(Buffer.from([0, 255, 0x61, 0x62]).toString('base64'));
    expect(text).toContain('npm run fuzz -- --seed 9 --only 4:17');
  });

  it('names the round when no single case is at fault', () => {
    const text = describeFinding({ seed: 9, round: 4, breach: 'intake has ended', placed: undefined });
    expect(text).toMatch(/intake has ended[^]*--seed 9 --only 4$/);
  });
});
