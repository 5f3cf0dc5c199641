import { describe, expect, it } from '@jest/globals';
import { countWords, faultsIn } from './count-words.ts';
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

  it('leaves letters of the alphabet and the frame of a certificate alone', () => {
    expect(
      countWords('1 to 64 letters, digits; a two-letter code; without letters; -----BEGIN KEY-----'),
    ).toEqual({});
  });
});

describe('faultsIn', () => {
  it('names each word of the rules that occurs, and a better one', () => {
    expect(faultsIn('Redis is away, and away again.')).toEqual(['"away" occurs 2 times: write unavailable']);
    expect(faultsIn('Redis is unavailable.')).toEqual([]);
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
