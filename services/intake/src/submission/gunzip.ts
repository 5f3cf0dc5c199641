import { RestError } from '@bulk/contracts';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { InvalidInputError } from '@bulk/domain';

export interface RatioLimits {
  /** Maximum number of decoded bytes for each compressed byte, beyond `graceBytes`. */
  readonly maxRatio: number;
  /** Decoded bytes for which the ratio does not count. */
  readonly graceBytes: number;
}

/**
 * Decompresses gzip on demand.
 *
 * @throws InvalidInputError `INVALID_GZIP`; RestError 413 if the text is too much larger than its
 * gzip; what `raw` throws if that is a RestError.
 */
export async function* gunzipped(
  raw: AsyncIterable<Buffer>,
  { maxRatio, graceBytes }: RatioLimits,
): AsyncGenerator<Buffer> {
  let received = 0;
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of raw) {
      received += chunk.length;
      yield chunk;
    }
  };
  const gunzip = createGunzip();
  // Errors come out of the iteration of the last stream.
  pipeline(Readable.from(counted()), gunzip, () => undefined);
  let decoded = 0;
  try {
    for await (const chunk of gunzip) {
      decoded += (chunk as Buffer).length;
      if (decoded > graceBytes + maxRatio * received) throw tooMuchLarger(maxRatio);
      yield chunk as Buffer;
    }
  } catch (error) {
    if (error instanceof RestError || error instanceof InvalidInputError) throw error;
    throw notGzip();
  }
  // zlib stops at the first zero byte after a member, and reports nothing of what follows.
  if (gunzip.bytesWritten < received) throw notGzip();
}

function tooMuchLarger(maxRatio: number): RestError {
  return new RestError(
    'PAYLOAD_TOO_LARGE',
    `expected a body of at most ${maxRatio} times its compressed bytes`,
  );
}

function notGzip(): InvalidInputError {
  return new InvalidInputError('INVALID_GZIP', 'the body is not gzip, or not all of it', [
    { field: '(body)', message: 'expected gzip data, complete, and nothing behind its last member' },
  ]);
}
