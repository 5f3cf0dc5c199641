import { describe, expect, it } from '@jest/globals';
import { atLeast, atMost, goalText, verdictsOn } from './goals.ts';
import { figure, tableLines } from './table.ts';

describe('tables of figures', () => {
  it('aligns labels to the left and figures to the right', () => {
    expect(
      tableLines(
        ['', 'ours', 'peer'],
        [
          ['update', '3,100', '8'],
          ['no', '1', '50,000'],
        ],
      ),
    ).toEqual(['         ours    peer', 'update  3,100       8', 'no          1  50,000']);
  });

  it('gives figures as many digits as they are worth', () => {
    expect([0, 0.041, 1.251, 12.34, 1234.5, undefined, Number.NaN].map(figure)).toEqual([
      '0',
      '0.04',
      '1.25',
      '12.3',
      '1,235',
      '–',
      '–',
    ]);
  });
});

describe('goals of figures', () => {
  const given = verdictsOn('SecantusDB (Rust)');

  it('says whether a goal is reached', () => {
    expect(goalText(0.9, atLeast(0.9), '', given)).toBe('goal: at least 0.9, reached');
    expect(goalText(51, atMost(50), ' ms', given)).toBe('goal: at most 50 ms, missed');
  });

  it('gives no verdict on the Python build of the MongoDB stand-in, and says so', () => {
    const verdicts = verdictsOn('SecantusDB (wheel)');
    expect(verdicts.reason).toContain('no verdict');
    expect(goalText(0.1, atLeast(0.9), '', verdicts)).toBe('goal: at least 0.9');
  });
});
