import { WORD_RULES } from './rules.ts';

/** How often each word of the rules occurs. */
export type WordCounts = Readonly<Record<string, number>>;

/** Counts the words of the rules in a text. Words that do not occur are left out. */
export function countWords(prose: string): WordCounts {
  return Object.fromEntries(
    WORD_RULES.map(({ word, pattern }) => [word, [...prose.matchAll(pattern)].length] as const).filter(
      ([, hits]) => hits > 0,
    ),
  );
}

/** Returns a line for each word of the rules that occurs in a text, with a better one. */
export function faultsIn(prose: string): string[] {
  const found = countWords(prose);
  return WORD_RULES.filter(({ word }) => found[word] !== undefined).map(
    ({ word, better }) => `"${word}" occurs ${found[word]} times: write ${better}`,
  );
}
