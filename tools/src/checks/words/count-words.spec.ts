import { describe, expect, it } from '@jest/globals';
import { countWords, excesses, lowered, sumCounts } from './count-words.ts';
import { markdownProse, sourceProse } from './prose.ts';

describe('countWords', () => {
  it('counts each form of a word, but not letter in dead letter', () => {
    expect(
      countWords('Redis is away. A letter; a dead letter; dead-letters. It goes on and went on.'),
    ).toEqual({
      away: 1,
      letter: 1,
      'go on': 2,
    });
  });

  it('sums up the counts of files', () => {
    expect(sumCounts([{ away: 1 }, { away: 2, mend: 1 }])).toEqual({ away: 3, mend: 1 });
  });
});

describe('the ratchet', () => {
  it('refuses a word that occurs more often than allowed and names a better one', () => {
    expect(excesses({ away: 3 }, { away: 2, mend: 1 })).toEqual([
      '"away" occurs 3 times, allowed are 2: write unavailable',
    ]);
    expect(excesses({ away: 2 }, { away: 2 })).toEqual([]);
  });

  it('lowers allowed counts and never raises them', () => {
    expect(lowered({ away: 1, anew: 4 }, { away: 2, mend: 1 })).toEqual({ away: 1 });
  });
});

describe('prose', () => {
  it('of Markdown excludes code and targets of links', () => {
    expect(countWords(markdownProse('`away` [x](away.md)\n```\naway\n```\nIt is away.'))).toEqual({
      away: 1,
    });
  });

  it('of TypeScript consists of comments and texts, not names, imports or regular expressions', () => {
    const source = [
      "import { away } from './away.ts';",
      '/** It is away. */',
      'const away = `away ${away("away")} away`; // away',
      'const pattern = /away/;',
    ].join('\n');
    expect(countWords(sourceProse(source))).toEqual({ away: 5 });
  });
});
