/** A word that the house style replaces. */
export interface WordRule {
  readonly word: string;
  readonly pattern: RegExp;
  readonly better: string;
}

/** The words of the house style (CONTRIBUTING.md), each with the forms that it replaces. */
export const WORD_RULES: readonly WordRule[] = [
  { word: 'away', pattern: /(?<!\b(?:give|gives|gave|given|giving) )\baway\b/gi, better: 'unavailable' },
  { word: 'anew', pattern: /\banew\b/gi, better: 'again' },
  { word: 'tell', pattern: /\b(?:tells?|told|telling)\b/gi, better: 'report, record, notify, distinguish' },
  { word: 'foretell', pattern: /\bforet(?:ells?|old|elling)\b/gi, better: 'predict' },
  { word: 'mend', pattern: /\bmend(?:s|ed|ing)?\b/gi, better: 'fix' },
  { word: 'go on', pattern: /\b(?:go|goes|going|went|gone) on\b/gi, better: 'continue' },
  { word: 'beside', pattern: /\bbeside\b/gi, better: 'in addition to, during, next to' },
  { word: 'whoever', pattern: /\bwhoever\b/gi, better: 'the caller, the new owner' },
  { word: 'so many', pattern: /\bso many\b/gi, better: 'the number of' },
  { word: 'begin', pattern: /(?<!-)\b(?:begins?|began|begun)\b/gi, better: 'start' },
  { word: 'bury', pattern: /\b(?:bur(?:y|ies|ied)|put away)\b/gi, better: 'dead-lettered' },
  // A letter of the alphabet keeps its name.
  {
    word: 'letter',
    pattern: /(?<!\b(?:dead[ -]|to the |two-|without ))\bletters?\b(?!, digits)/gi,
    better: 'dead letter',
  },
  { word: 'stranger', pattern: /\bstrangers?\b/gi, better: 'external client' },
  { word: 'is had', pattern: /\b(?:is|are|be) had\b/gi, better: 'install, available' },
];
