import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { InvalidInputError } from '@bulk/domain';
import { HttpRefusal } from '../http/refusals.ts';

/** Thrown when a client went away, or was cut off, before its upload was there; nobody is left to be told. */
export class UploadBrokenOffError extends HttpRefusal {
  constructor(cause: unknown) {
    super(400, 'UPLOAD_BROKEN_OFF', 'the upload was broken off');
    this.cause = cause;
  }
}

/** The decoded bytes of a request's body, as they come, and their digest at the end. */
export class UploadBody {
  readonly #request: IncomingMessage;
  readonly #limitBytes: number;
  readonly #hash = createHash('sha256');

  /** @param limitBytes most decoded bytes: a small gzip body can be a large one. */
  constructor(request: IncomingMessage, limitBytes: number) {
    this.#request = request;
    this.#limitBytes = limitBytes;
  }

  /**
   * The bytes, gunzipped where the request says so; read as fast as they are asked for.
   *
   * @throws HttpRefusal 413, 415; InvalidInputError `INVALID_GZIP`; UploadBrokenOffError.
   */
  async *bytes(): AsyncGenerator<Buffer> {
    let total = 0;
    for await (const chunk of this.#decoded()) {
      total += chunk.length;
      if (total > this.#limitBytes) {
        throw new HttpRefusal(
          413,
          'PAYLOAD_TOO_LARGE',
          `expected a body of at most ${this.#limitBytes} bytes`,
        );
      }
      this.#hash.update(chunk);
      yield chunk;
    }
  }

  /** Digest of what was read and of what else makes the request. Call once, after the last byte. */
  digest(...more: readonly string[]): string {
    for (const part of more) this.#hash.update(`\n${part}`);
    return this.#hash.digest('hex');
  }

  async *#decoded(): AsyncGenerator<Buffer> {
    const encoding = (this.#request.headers['content-encoding'] ?? 'identity').toLowerCase();
    if (encoding === 'identity') {
      yield* this.#raw();
      return;
    }
    if (encoding !== 'gzip') {
      throw new HttpRefusal(
        415,
        'UNSUPPORTED_MEDIA_TYPE',
        `expected content-encoding gzip or none, found ${encoding}`,
      );
    }
    let fed = 0;
    const counted = async function* (raw: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const chunk of raw) {
        fed += chunk.length;
        yield chunk;
      }
    };
    const gunzip = createGunzip();
    // What breaks comes out of the iteration of the last stream.
    pipeline(Readable.from(counted(this.#raw())), gunzip, () => undefined);
    try {
      for await (const chunk of gunzip) yield chunk as Buffer;
      // zlib stops at the first zero byte behind a member, and says nothing of what follows.
      if (gunzip.bytesWritten < fed) throw new Error('bytes follow the end of the gzip data');
    } catch (error) {
      if (error instanceof UploadBrokenOffError) throw error;
      throw new InvalidInputError('INVALID_GZIP', 'the body is not gzip, or not all of it', [
        {
          field: '(body)',
          message: `expected gzip: ${error instanceof Error ? error.message : String(error)}`,
        },
      ]);
    }
  }

  async *#raw(): AsyncGenerator<Buffer> {
    try {
      // Left alone when the reading ends early: the connection is still needed for the answer.
      for await (const chunk of this.#request.iterator({ destroyOnReturn: false })) yield chunk as Buffer;
    } catch (error) {
      throw new UploadBrokenOffError(error);
    }
  }
}

/** Refused uploads are read on for this many bytes, so that the client comes to read the answer. */
const DRAIN_BYTES = 67_108_864;

/** Lets a client that is still sending finish, within bounds, after its upload was refused. */
export function drain(request: IncomingMessage): void {
  if (request.readableEnded || request.destroyed) return;
  let left = DRAIN_BYTES;
  request.on('error', () => undefined);
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.destroy();
  });
}
