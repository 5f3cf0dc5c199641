import type { FieldIssue } from './errors.ts';

/** Marks a number that a double cannot hold; the value is the number as it was written. */
const MARK = '$inexactNumber';

/** Digits up to which every decimal number survives a double (IEEE 754: 15 to 17). */
const SAFE_DIGITS = 15;

/**
 * Whether a double holds a JSON number: whether it is written again as the same decimal number. So 0.1 is, and
 * 9007199254740993, which would become …992, is not.
 */
export function isExactNumber(text: string): boolean {
  // Most numbers are short. An exponent may lead beyond every double.
  if (text.length <= SAFE_DIGITS && !/[eE]/u.test(text)) return true;
  const number = Number(text);
  return Number.isFinite(number) && canonical(text) === canonical(String(number));
}

/** Stands in the place of a number that a double cannot hold, so that its entity is refused for it. */
export function inexactNumber(text: string): { readonly [MARK]: string } {
  return { [MARK]: text };
}

/** Finds the numbers of an entity that a double cannot hold. */
export function inexactNumbers(value: unknown, field = ''): FieldIssue[] {
  if (typeof value !== 'object' || value === null) return [];
  const text: unknown = Object.hasOwn(value, MARK) ? (value as Record<string, unknown>)[MARK] : undefined;
  if (typeof text === 'string') {
    return [{ field, message: `expected a number that a double holds (15 digits always do), found ${text}` }];
  }
  if (!Object.values(value).some((part) => typeof part === 'object' && part !== null)) return [];
  return Object.entries(value).flatMap(([key, part]) => {
    const within = Array.isArray(value) ? `${field}[${key}]` : field === '' ? key : `${field}.${key}`;
    return inexactNumbers(part, within);
  });
}

/** Significant digits and exponent of a decimal number, so that 1e3, 1000 and 1000.0 are the same; -0 is 0. */
function canonical(text: string): string {
  const [, sign = '', whole = '', part = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/u.exec(text) ?? [];
  const all = (whole + part).replace(/^0+/u, '');
  const digits = all.replace(/0+$/u, '');
  if (digits === '') return '0';
  return `${sign}${digits}e${Number(exponent) - part.length + (all.length - digits.length)}`;
}
