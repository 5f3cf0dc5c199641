import fc from 'fast-check';

const ODD = [
  '',
  ' ',
  'null',
  '-1',
  '0',
  '1e9',
  '99999999999999999999',
  'true',
  '__proto__',
  'constructor',
  '../../etc/passwd',
  '%00',
  '%',
  '%zz',
  '%E0%A4%A',
  '%C0%AE',
  '\ud800',
  '\u0000',
  '$where',
  '{"$gt":""}',
  "' OR 1=1 --",
  '[object Object]',
  'a'.repeat(300),
  'ü東\u202e',
  '2026-02-30T00:00:00Z',
  '+275760-09-13T00:00:00.001Z',
  '00000000-0000-0000-0000-000000000000',
];

/** Texts that often break validation, and any others. */
export const oddText: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...ODD) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
);

/** Bytes in ISO 8859-1 that may stand in a header. The others end the request. */
export const headerText: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: oddText.map(asHeader) },
  {
    weight: 1,
    arbitrary: fc.string({ unit: fc.integer({ min: 0x20, max: 0xff }).map(character), maxLength: 60 }),
  },
);

function asHeader(text: string): string {
  return text.replace(/[^\t\x20-\x7e\xa0-\xff]/gu, '?').trim();
}

function character(code: number): string {
  return code === 0x7f ? '?' : String.fromCharCode(code);
}

/**
 * Writes a text into a URL: escaped, escaped twice, or unchanged if the request line permits it.
 */
export const inUrl: fc.Arbitrary<(text: string) => string> = fc.constantFrom(
  escaped,
  escaped,
  (text: string) => escaped(escaped(text)),
  (text: string) => text.replace(/[^\x21-\x7e]|#/gu, '?'),
);

function escaped(text: string): string {
  // A lone surrogate has no escape.
  return encodeURIComponent(Buffer.from(text).toString());
}
