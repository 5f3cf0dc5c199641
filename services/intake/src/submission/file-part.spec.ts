import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { CodedError, InvalidInputError } from '@bulk/domain';
import { openFormFile, type FormFile } from './file-part.ts';

const LIMITS = { limitBytes: 1_000_000, maxRatio: 100, graceBytes: 100_000 };
const BOUNDARY = '----formdata-7';
const TYPE = `multipart/form-data; boundary=${BOUNDARY}`;
const CSV = 'id,lastName\r\nc1,Müller\r\n--not a boundary\r\n';

interface Part {
  readonly headers: readonly string[];
  readonly content: Buffer | string;
}

const partOf = (filename: string, content: Buffer | string = CSV, ...more: string[]): Part => ({
  headers: [`Content-Disposition: form-data; name="file"; filename="${filename}"`, ...more],
  content,
});

function bodyOf(parts: readonly Part[], end = `--${BOUNDARY}--\r\n`): Buffer {
  const written = parts.flatMap(({ headers, content }) => [
    Buffer.from(`--${BOUNDARY}\r\n${headers.join('\r\n')}\r\n\r\n`),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...written, Buffer.from(end)]);
}

/** @param size size of the chunks in which the body arrives. */
async function* chunks(body: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < body.length; at += size) yield await Promise.resolve(body.subarray(at, at + size));
}

const open = (body: Buffer, size = 64, type = TYPE): Promise<FormFile> =>
  openFormFile(chunks(body, size), type, LIMITS);

async function textOf(file: FormFile): Promise<string> {
  const all: Buffer[] = [];
  for await (const chunk of file.bytes()) all.push(chunk);
  return Buffer.concat(all).toString();
}

async function refusalOf(work: Promise<unknown>): Promise<CodedError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof CodedError) return error;
  throw new Error('expected a refusal', { cause: error });
}

describe('openFormFile', () => {
  it('yields the exact bytes of the file however the body is split into chunks', async () => {
    const body = bodyOf([partOf('contacts.csv')]);
    for (let size = 1; size <= body.length; size += 1) expect(await textOf(await open(body, size))).toBe(CSV);
  });

  it.each<[string, Part, string, string | undefined]>([
    ['its own content type', partOf('x.bin', CSV, 'Content-Type: text/csv; charset=windows-1252'), 'text/csv', 'windows-1252'],
    ['its name when its type is generic', partOf('CONTACTS.CSV', CSV, 'Content-Type: application/octet-stream'), 'text/csv', undefined],
    ['its name when Excel sets the type', partOf('c.csv', CSV, 'content-type: application/vnd.ms-excel'), 'text/csv', undefined],
    ['.ndjson', partOf('c.ndjson'), 'application/x-ndjson', undefined],
    ['.jsonl.gz', partOf('c.jsonl.gz', gzipSync(CSV)), 'application/x-ndjson', undefined],
    ['.csv.gz with a type of gzip', partOf('c.csv.gz', gzipSync(CSV), 'Content-Type: application/gzip'), 'text/csv', undefined],
    ['a name with escaped quotes', partOf('a \\"b\\"; name=\\"x.csv'), 'text/csv', undefined],
  ])('identifies a file by %s', async (_what, part, mediaType, charset) => {
    const file = await open(bodyOf([part]));
    expect([file.mediaType, file.charset]).toEqual([mediaType, charset]);
    expect(await textOf(file)).toBe(CSV);
  }); // prettier-ignore

  it('computes the same digest for the same file with another boundary', async () => {
    const body = bodyOf([partOf('c.csv')]);
    const other = Buffer.from(body.toString('latin1').replaceAll(BOUNDARY, 'other'), 'latin1');
    const files = [await open(body), await open(other, 64, 'multipart/form-data; boundary="other"')];
    for (const file of files) await textOf(file);
    const [first, second] = files.map((file) => file.digest('text/csv', 'actionType=update'));
    expect(second).toBe(first);
  });

  const good = partOf('c.csv');
  const field: Part = { headers: ['Content-Disposition: form-data; name="actionType"'], content: 'update' };
  it.each<[string, Buffer, RegExp]>([
    ['no part', bodyOf([]), /at the start of the body/],
    ['text before the part', Buffer.concat([Buffer.from('x\r\n'), bodyOf([good])]), /at the start of the body/],
    ['another boundary', Buffer.from(bodyOf([good]).toString('latin1').replaceAll(BOUNDARY, 'x'), 'latin1'), /at the start of the body/],
    ['two files', bodyOf([good, good]), /a further part/],
    ['a field before the file', bodyOf([field, good]), /found a field; parameters belong in the query/],
    ['a field behind the file', bodyOf([good, field]), /a further part/],
    ['text behind the closing boundary', bodyOf([good], `--${BOUNDARY}--\r\nc9,Lost\r\n`), /the end of the body/],
    ['a boundary that continues', bodyOf([good], `--${BOUNDARY}x`), /within the content/],
    ['no closing boundary', bodyOf([good], ''), /without the closing boundary/],
    ['an end within the headers', bodyOf([good]).subarray(0, 60), /within the headers/],
    ['malformed headers', bodyOf([{ headers: ['no header'], content: CSV }]), /"name: value"/],
    ['a repeated disposition', bodyOf([{ headers: [...good.headers, ...good.headers], content: CSV }]), /once/],
    ['no disposition', bodyOf([{ headers: ['Content-Type: text/csv'], content: CSV }]), /form-data/],
    ['base64', bodyOf([partOf('c.csv', 'aWQK', 'Content-Transfer-Encoding: base64')]), /without content-transfer-encoding/],
    ['headers without end', bodyOf([partOf('c.csv', CSV, `x: ${'x'.repeat(20_000)}`)]), /at most 16384 bytes/],
  ])('refuses %s', async (_what, body, message) => {
    for (const size of [1, 7, 100_000]) {
      const error = await refusalOf(open(body, size).then(textOf));
      expect(error).toBeInstanceOf(InvalidInputError);
      expect(error).toMatchObject({ code: 'INVALID_MULTIPART', issues: [{ message: expect.stringMatching(message) }] });
    }
  }); // prettier-ignore

  it('refuses a file of an unknown type and a request type without a boundary', async () => {
    expect((await refusalOf(open(bodyOf([partOf('c.xlsx')])))).code).toBe('UNSUPPORTED_MEDIA_TYPE');
    expect((await refusalOf(open(bodyOf([good]), 64, 'multipart/form-data'))).code).toBe('INVALID_MULTIPART');
  });

  it('bounds the size of a decompressed file and refuses invalid gzip', async () => {
    const bomb = bodyOf([partOf('c.csv.gz', gzipSync('\n'.repeat(500_000)))]);
    expect((await refusalOf(open(bomb).then(textOf))).code).toBe('PAYLOAD_TOO_LARGE');
    expect((await refusalOf(open(bodyOf([partOf('c.csv.gz')])).then(textOf))).code).toBe('INVALID_GZIP');
    const large = bodyOf([partOf('c.csv', 'x'.repeat(1_000_001))]);
    expect((await refusalOf(open(large, 65_536).then(textOf))).code).toBe('PAYLOAD_TOO_LARGE');
  });
});
