import { domainToUnicode } from 'node:url';

const ABSOLUTE_FORM = /^https?:\/\/[^/?#]*(.*)$/is;
const NOT_VISIBLE_ASCII = /[^\x21-\x7e]/g;
const ENCODED_LABEL = /^xn--/i;

/**
 * Returns a request target in origin form: a path with an optional query, in visible ASCII.
 *
 * A proxy's absolute form loses its origin. Bytes beyond ASCII are percent-encoded, as a browser would send them. Every
 * URL parser can read the result, so that no later reader throws.
 *
 * @returns undefined if the target cannot be read.
 */
export function originForm(target: string): string | undefined {
  const path = pathOf(target);
  // A correct client never sends a fragment.
  if (path === undefined || path.includes('#')) return undefined;
  return path.replaceAll(
    NOT_VISIBLE_ASCII,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}

function pathOf(target: string): string | undefined {
  if (target.startsWith('/') || target === '*') return target;
  const rest = ABSOLUTE_FORM.exec(target)?.[1];
  if (rest === undefined || !URL.canParse(target)) return undefined;
  if (!isReadableHost(new URL(target).hostname)) return undefined;
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/**
 * Returns whether each encoded label of a host (`xn--…`) stands for a name.
 *
 * The URL parser of Node 20 and 22 refuses a label that does not. The parser of Node 24 accepts it unchanged.
 */
function isReadableHost(host: string): boolean {
  const names = domainToUnicode(host).split('.');
  return host
    .split('.')
    .every((label, i) => !ENCODED_LABEL.test(label) || (names[i] ?? '').search(NOT_VISIBLE_ASCII) >= 0);
}
