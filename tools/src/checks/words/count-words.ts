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

/** Adds counts up. */
export function sumCounts(counts: readonly WordCounts[]): WordCounts {
  const sum: Record<string, number> = {};
  for (const one of counts) {
    for (const [word, hits] of Object.entries(one)) sum[word] = (sum[word] ?? 0) + hits;
  }
  return sum;
}

/** Returns a line for each word that occurs more often than allowed. */
export function excesses(found: WordCounts, allowed: WordCounts): string[] {
  return WORD_RULES.flatMap(({ word, better }) => {
    const [hits, limit] = [found[word] ?? 0, allowed[word] ?? 0];
    return hits > limit ? [`"${word}" occurs ${hits} times, allowed are ${limit}: write ${better}`] : [];
  });
}

/** Returns the allowed counts, lowered to what was found. A count never rises. */
export function lowered(found: WordCounts, allowed: WordCounts): WordCounts {
  return Object.fromEntries(
    WORD_RULES.map(({ word }) => [word, Math.min(allowed[word] ?? 0, found[word] ?? 0)] as const).filter(
      ([, limit]) => limit > 0,
    ),
  );
}
