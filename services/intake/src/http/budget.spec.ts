import { describe, expect, it } from '@jest/globals';
import { Budget } from './budget.ts';

const budget = (): Budget => new Budget({ total: 10, perAccount: 6, unit: 'bytes' });

describe('Budget', () => {
  it("refuses with 429 beyond an account's share and with 503 beyond the total", () => {
    const all = budget();
    all.open('a').take(6);
    expect(() => all.open('a').take(1)).toThrow(
      expect.objectContaining({ status: 429, code: 'ACCOUNT_TOO_BUSY', headers: { 'retry-after': '1' } }),
    );
    all.open('b').take(3);
    all.open(undefined).take(1);
    expect(() => all.open('c').take(1)).toThrow(
      expect.objectContaining({ status: 503, code: 'TOO_BUSY', headers: { 'retry-after': '1' } }),
    );
    expect(all.held).toBe(10);
  });

  it('frees the room of a share exactly once when the share is released twice', () => {
    const all = budget();
    const share = all.open('a');
    share.take(2);
    share.take(4);
    expect(() => share.take(1)).toThrow('at once');
    share.release();
    share.release();
    expect(all.held).toBe(0);
    all.open('a').take(6);
  });
});
