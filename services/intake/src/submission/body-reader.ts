import { RestError } from '@bulk/contracts';
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { ServiceStoppingError, type CutOff } from '../http/stopping.ts';
import { gunzipped, type RatioLimits } from './gunzip.ts';

/**
 * Thrown when a client left, or was cut off, before its body was complete. There is no client left
 * to answer.
 */
export class UploadBrokenOffError extends RestError {
  constructor(cause: unknown) {
    super('UPLOAD_BROKEN_OFF', 'the upload was broken off');
    this.cause = cause;
  }
}

/** Decoded bytes of a JSON body for which the compression ratio does not count. */
export const JSON_GRACE_BYTES = 1_048_576;

export interface BodyLimits extends RatioLimits {
  /** Maximum number of decoded bytes. A small gzip body can be a large one. */
  readonly limitBytes: number;
}

/** What ends the reading before the end of the body. */
export interface BodyEnds {
  /** Aborts when no client waits for the answer. Then reading stops, however much has arrived. */
  readonly gone: AbortSignal;
  /** Ends the reading when the service stops. */
  readonly cutOff: CutOff;
}

const GZIP = new Set(['gzip', 'x-gzip']);

/** Reads the decoded bytes of a request's body as they arrive, and computes their digest. */
export class BodyReader {
  readonly #request: IncomingMessage;
  readonly #limits: BodyLimits;
  readonly #gone: AbortSignal;
  readonly #cutOff: CutOff;
  readonly #hash = createHash('sha256');

  constructor(request: IncomingMessage, limits: BodyLimits, { gone, cutOff }: BodyEnds) {
    this.#request = request;
    this.#limits = limits;
    this.#gone = gone;
    this.#cutOff = cutOff;
  }

  /**
   * Yields the bytes on demand, gunzipped if the request says so.
   *
   * If a body is too large, the part within the limit comes before the refusal. So the reason for
   * refusing an upload does not depend on the sizes in which its bytes arrive.
   *
   * @throws RestError 413, 415; InvalidInputError `INVALID_GZIP`; UploadBrokenOffError;
   * ServiceStoppingError.
   */
  async *bytes(): AsyncGenerator<Buffer> {
    const { limitBytes } = this.#limits;
    if (Number(this.#request.headers['content-length'] ?? 0) > limitBytes) throw tooLarge(limitBytes);
    let total = 0;
    for await (const chunk of this.#decoded()) {
      if (this.#gone.aborted) throw new UploadBrokenOffError(this.#gone.reason);
      const room = limitBytes - total;
      if (chunk.length > room) {
        if (room > 0) yield chunk.subarray(0, room);
        throw tooLarge(limitBytes);
      }
      total += chunk.length;
      this.#hash.update(chunk);
      yield chunk;
    }
  }

  /**
   * Returns the digest of the read bytes and of the other parts of the request. Call once, after
   * the last byte.
   */
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
    if (!GZIP.has(encoding)) {
      throw new RestError(
        'UNSUPPORTED_MEDIA_TYPE',
        `expected content-encoding gzip or none, found ${encoding}`,
        { headers: { 'accept-encoding': 'gzip' } },
      );
    }
    yield* gunzipped(this.#raw(), this.#limits);
  }

  async *#raw(): AsyncGenerator<Buffer> {
    // Not destroyed if reading ends early, because the answer still needs the connection.
    const chunks = this.#request.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer, undefined>;
    try {
      for (;;) {
        const { done, value } = await this.#cutOff.orElse(chunks.next());
        if (done === true) return;
        yield value;
      }
    } catch (error) {
      throw error instanceof ServiceStoppingError ? error : new UploadBrokenOffError(error);
    } finally {
      // Not awaited: a requested chunk may never arrive.
      void chunks.return?.();
    }
  }
}

/** Builds the refusal of a body that is too large. */
export function tooLarge(limitBytes: number): RestError {
  return new RestError('PAYLOAD_TOO_LARGE', `expected a body of at most ${limitBytes} bytes`);
}

/**
 * Number of bytes of a refused body that are still read, so that the client gets to read the
 * answer.
 */
const DRAIN_BYTES = 67_108_864;

/** Lets a client that is still sending finish, within bounds, after its body was refused. */
export function drain(request: IncomingMessage): void {
  if (request.readableEnded || request.destroyed) return;
  let left = DRAIN_BYTES;
  request.on('error', () => undefined);
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.destroy();
  });
}
