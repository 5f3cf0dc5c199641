import { CSV_FILE, mutated, mutations, NDJSON_FILE } from '@bulk/testing/mutated-bytes';
import fc from 'fast-check';
import { CASE_ACCOUNT, type FuzzCase } from '../fuzz-case.ts';
import { formBody, requestBytes, type Framing } from '../http-bytes.ts';
import { compression } from './request-cases.ts';

const FILES = [
  { mediaType: 'text/csv', name: 'a.csv', file: CSV_FILE },
  { mediaType: 'application/x-ndjson', name: 'a.ndjson', file: NDJSON_FILE },
] as const;

/**
 * Weight of the valid form of each part against each invalid one, so that not every upload is
 * refused.
 */
const MOSTLY = 10;
/** Numbers of repetitions of the rows. Some are large, so that some uploads have many batches. */
const TIMES = [...Array.from({ length: MOSTLY }, () => 1), 100, 1_000];

const BOUNDARY = 'fuzz-boundary';

/** Encodes a text. Other encodings follow, with what a client may say of them, true or not. */
const UTF8 = (text: string): Buffer => Buffer.from(text);
const ENCODINGS: readonly ((text: string) => Buffer)[] = [
  ...Array.from({ length: MOSTLY }, () => UTF8),
  (text) => Buffer.from(`\ufeff${text}`),
  (text) => Buffer.from(text, 'latin1'),
  (text) => Buffer.from(`\ufeff${text}`, 'utf16le'),
  (text) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16(),
  (text) => Buffer.from(text, 'utf16le').subarray(0, -1),
];
const CHARSETS = [
  ...Array.from({ length: MOSTLY }, () => ''),
  '; charset=utf-8',
  '; charset=windows-1252',
  '; charset=utf-16le',
  '; charset=shift_jis',
  '; charset=no',
];
const ACTIONS = ['upsert', 'update', 'create', 'delete'];
const PARAMETERS = [
  ...Array.from({ length: MOSTLY }, () => ''),
  '&entityType=contact',
  '&dryRun=true',
  '&priority=high',
  '&delimiter=semicolon',
  '&delimiter=tab',
  '&scheduledFor=2026-02-30T00:00:00Z',
];

const framing: fc.Arbitrary<Framing> = fc.oneof(
  { weight: MOSTLY, arbitrary: fc.constantFrom('length', 'chunked') },
  { weight: 2, arbitrary: fc.constantFrom('short', 'long') },
);

/** CSV and NDJSON with changed bytes, in any encoding, compressed or inside a form. */
export const uploadCases: fc.Arbitrary<FuzzCase> = fc
  .record({
    source: fc.constantFrom(...FILES),
    encode: fc.constantFrom(...ENCODINGS),
    charset: fc.constantFrom(...CHARSETS),
    changes: fc.option(mutations, { freq: 1 }),
    times: fc.constantFrom(...TIMES),
    isForm: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
    compress: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: compression }),
    action: fc.constantFrom(...ACTIONS),
    parameters: fc.constantFrom(...PARAMETERS),
    framing,
    ending: fc.constantFrom(
      'read' as const,
      'read' as const,
      'read' as const,
      'reset' as const,
      'half-close' as const,
    ),
  })
  .map(
    ({
      source,
      encode,
      charset,
      changes,
      times,
      isForm,
      compress,
      action,
      parameters,
      ...rest
    }): FuzzCase => {
      const text = encode(repeated(source, times));
      const file = changes === null ? text : mutated(text, changes);
      const mediaType = `${source.mediaType}${charset}`;
      const plain = isForm ? formBody(file, { boundary: BOUNDARY, name: source.name, mediaType }) : file;
      const bytes = requestBytes({
        method: 'POST',
        target: `/bulk-actions?actionType=${action}${parameters}`,
        headers: [
          ['x-account-id', CASE_ACCOUNT],
          ['content-type', isForm ? `multipart/form-data; boundary=${BOUNDARY}` : mediaType],
          ...(compress === null ? [] : [['content-encoding', 'gzip'] as const]),
        ],
        body: compress === null ? plain : compress(plain),
        framing: rest.framing,
      });
      return {
        kind: 'uploads',
        door: 'intake',
        what: `${action} of ${mediaType}${isForm ? ' in a form' : ''}${compress === null ? '' : ', compressed'}, ${rest.framing}`,
        steps: [{ bytes }],
        ending: rest.ending,
        isWhole: rest.framing === 'length' || rest.framing === 'chunked',
      };
    },
  );

/** Repeats the rows of a file. The header of CSV stands once. */
function repeated({ file, mediaType }: (typeof FILES)[number], times: number): string {
  const text = file.toString('utf8');
  const rowsAt = mediaType === 'text/csv' ? text.indexOf('\r\n') + 2 : 0;
  return text.slice(0, rowsAt) + text.slice(rowsAt).repeat(times);
}
