import { createHash } from 'node:crypto';
import { MIMEType } from 'node:util';
import { RestError, UPLOAD_MEDIA_TYPES } from '@bulk/contracts';
import { quoted } from '@bulk/uploads';
import { tooLarge, type BodyLimits } from './body-reader.ts';
import { gunzipped } from './gunzip.ts';
import { invalidMultipart, readSinglePart } from './single-part.ts';

export type UploadMediaType = (typeof UPLOAD_MEDIA_TYPES)[number];

/** A file that a form sends. */
export interface FormFile {
  readonly mediaType: UploadMediaType;
  /** The charset that the content type of the part declares. */
  readonly charset: string | undefined;
  /** Yields the text, decompressed if the file is gzip. */
  bytes(): AsyncGenerator<Buffer>;
  /**
   * Returns the digest of the read bytes and of the other parts of the request. Call once, after
   * the last byte.
   */
  digest(...more: readonly string[]): string;
  /** Gives the body back to its next reader. */
  close(): Promise<void>;
}

/** File name extensions of uploads. */
const BY_EXTENSION: Readonly<Record<string, UploadMediaType>> = {
  csv: 'text/csv',
  ndjson: 'application/x-ndjson',
  jsonl: 'application/x-ndjson',
};
const GZIP_TYPES = new Set(['application/gzip', 'application/x-gzip']);
/** Encodings of a part that change none of its bytes. */
const PLAIN_ENCODINGS = new Set(['7bit', '8bit', 'binary']);

/**
 * Opens the one file of a multipart/form-data body.
 *
 * Its type is that of its own content type, else that of its name (.csv, .ndjson, .jsonl; with .gz
 * if it is compressed).
 *
 * @param contentType content type of the request.
 * @throws InvalidInputError `INVALID_MULTIPART`; RestError 415 if the file is of another type; what
 * `body` throws.
 */
export async function openFormFile(
  body: AsyncGenerator<Buffer>,
  contentType: string,
  limits: BodyLimits,
): Promise<FormFile> {
  const boundary = mimeOf(contentType).params.get('boundary') ?? '';
  if (boundary === '' || boundary.length > 70)
    throw invalidMultipart('expected a boundary of 1 to 70 characters', 'content-type');
  const { headers, content } = await readSinglePart(body, boundary);
  try {
    const { mediaType, charset, isGzip } = kindOf(headers);
    const hash = createHash('sha256');
    return {
      mediaType,
      charset,
      async *bytes() {
        let total = 0;
        for await (const chunk of isGzip ? gunzipped(content, limits) : content) {
          total += chunk.length;
          if (total > limits.limitBytes) throw tooLarge(limits.limitBytes);
          hash.update(chunk);
          yield chunk;
        }
      },
      digest: (...more) => {
        for (const part of more) hash.update(`\n${part}`);
        return hash.digest('hex');
      },
      close: async () => {
        await content.return(undefined);
        // Content that was never requested closes nothing.
        await body.return(undefined);
      },
    };
  } catch (error) {
    await body.return(undefined);
    throw error;
  }
}

interface FileKind {
  readonly mediaType: UploadMediaType;
  readonly charset: string | undefined;
  readonly isGzip: boolean;
}

function kindOf(headers: ReadonlyMap<string, string>): FileKind {
  const disposition = headers.get('content-disposition') ?? '';
  const { name = '', filename } = parametersOf(disposition);
  if (!/^form-data\s*(?:;|$)/iu.test(disposition))
    throw invalidMultipart('expected a part that is form-data');
  if (filename === undefined)
    throw invalidMultipart(
      'expected one file, found a field; parameters belong in the query',
      name || '(body)',
    );
  for (const header of ['content-transfer-encoding', 'content-encoding']) {
    const encoding = headers.get(header);
    if (encoding !== undefined && !PLAIN_ENCODINGS.has(encoding.toLowerCase()))
      throw invalidMultipart(
        `expected a part without ${header}, found ${quoted(encoding)}`,
        name || '(body)',
      );
  }
  const own = headers.get('content-type');
  const type = own === undefined || own === '' ? undefined : mimeOf(own);
  const parts = filename.toLowerCase().split('.');
  const namedGzip = parts.at(-1) === 'gz';
  const byName = BY_EXTENSION[parts.at(namedGzip ? -2 : -1) ?? ''];
  const mediaType = UPLOAD_MEDIA_TYPES.find((known) => known === type?.essence) ?? byName;
  if (mediaType === undefined) {
    throw new RestError(
      'UNSUPPORTED_MEDIA_TYPE',
      `expected a file of type ${UPLOAD_MEDIA_TYPES.join(' or ')}, or a name that ends in .csv, .ndjson or .jsonl, found ${quoted(filename)}`,
    );
  }
  return {
    mediaType,
    charset: type?.params.get('charset') ?? undefined,
    isGzip: namedGzip || GZIP_TYPES.has(type?.essence ?? ''),
  };
}

/** Parses `name` and `filename` of a Content-Disposition. A form gives both in quotes. */
function parametersOf(disposition: string): { readonly name?: string; readonly filename?: string } {
  const found: Record<string, string> = {};
  for (const [, key = '', inQuotes, plain] of disposition.matchAll(
    /;\s*(name|filename)\*?\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))/giu,
  ))
    found[key.toLowerCase()] = inQuotes ?? plain ?? '';
  return found;
}

function mimeOf(text: string): MIMEType {
  try {
    return new MIMEType(text);
  } catch {
    throw invalidMultipart(`expected a media type, found ${quoted(text)}`, 'content-type');
  }
}
