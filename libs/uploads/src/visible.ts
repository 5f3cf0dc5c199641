/** Maximum length of an excerpt of an upload that a message quotes, in UTF-16 units. */
const MAX_EXCERPT = 60;

/** Characters that a reader would not see: controls, formats (zero-width, byte order mark), unusual spaces. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;

const NAMES: Readonly<Record<string, string>> = {
  '\t': 'tab',
  '\n': 'line feed',
  '\r': 'carriage return',
  '\u00a0': 'no-break space',
  '\u200b': 'zero-width space',
  '\ufeff': 'byte order mark',
};

/**
 * Quotes an excerpt of an upload with its invisible characters shown, e.g. `"id<no-break space>"`. Long excerpts are
 * cut.
 */
export function quoted(text: string): string {
  // Half of a surrogate pair at the cut would not be a character.
  const short = text.slice(0, MAX_EXCERPT).replace(/[\uD800-\uDBFF]$/, '');
  const shown = short.replace(INVISIBLE, (character) => `<${nameOf(character)}>`);
  return `"${shown}${text.length > MAX_EXCERPT ? '…' : ''}"`;
}

/** Removes the characters that a reader would not see, and the white space around the rest. */
export function withoutInvisible(text: string): string {
  return text.replace(INVISIBLE, (character) => (/[\p{Zs}\t\r\n]/u.test(character) ? ' ' : '')).trim();
}

function nameOf(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  return NAMES[character] ?? `U+${code}`;
}
