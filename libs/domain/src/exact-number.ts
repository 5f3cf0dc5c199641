import type { FieldIssue } from './errors.ts';

/** Key that marks a number that a double cannot hold. The value is the number as it was written. */
const MARK = '$inexactNumber';

/** Number of digits up to which a double keeps every decimal number (IEEE 754: 15 to 17). */
const SAFE_DIGITS = 15;

/**
 * Returns whether a double holds a JSON number exactly, so that it is written again as the same decimal number. That is
 * so for 0.1, but not for 9007199254740993, which would become …992.
 */
export function isExactNumber(text: string): boolean {
  // Most numbers are short. A number with an exponent may exceed every double.
  if (text.length <= SAFE_DIGITS && !/[eE]/u.test(text)) return true;
  const number = Number(text);
  return Number.isFinite(number) && canonical(text) === canonical(String(number));
}

/**
 * Adds two numbers as the decimal numbers that they are written as, so that 0.1 and 0.2 give 0.3.
 *
 * @returns undefined if no double holds the sum, as for 9007199254740992 and 1.
 */
export function exactSum(a: number, b: number): number | undefined {
  const sum = a + b;
  if ([a, b, sum].every(Number.isSafeInteger)) return sum;
  if (!Number.isFinite(a) || !Number.isFinite(b)) return undefined;
  const terms = [a, b].map((term) => partsOf(String(term)));
  const exponent = Math.min(...terms.map((term) => term.exponent));
  const digits = terms.reduce(
    (total, term) => total + BigInt(term.sign + term.digits) * 10n ** BigInt(term.exponent - exponent),
    0n,
  );
  const text = `${digits}e${exponent}`;
  return isExactNumber(text) ? Number(text) : undefined;
}

/** Returns a placeholder for a number that a double cannot hold, so that its entity is refused. */
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

/**
 * Returns the significant digits and the exponent of a decimal number, so that 1e3, 1000 and 1000.0 are equal; -0 is 0.
 */
function canonical(text: string): string {
  const { sign, digits: written, exponent } = partsOf(text);
  const all = written.replace(/^0+/u, '');
  const digits = all.replace(/0+$/u, '');
  if (digits === '') return '0';
  return `${sign}${digits}e${exponent + (all.length - digits.length)}`;
}

/** Returns the parts of a decimal number, which is `digits` times ten to the power of `exponent`. */
function partsOf(text: string): {
  readonly sign: string;
  readonly digits: string;
  readonly exponent: number;
} {
  const [, sign = '', whole = '', part = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/u.exec(text) ?? [];
  return { sign, digits: whole + part, exponent: Number(exponent) - part.length };
}
