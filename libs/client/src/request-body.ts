/** A body that `fetch` accepts. */
export type RequestBody = string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;

/** What can be uploaded: text, bytes, or either piece by piece. */
export type UploadBody =
  string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | AsyncIterable<string | Uint8Array>;

/** Returns whether a body can be sent twice. */
export function isRepeatable(body: RequestBody): boolean {
  return typeof body === 'string' || body instanceof Uint8Array;
}

/**
 * Converts an upload for `fetch`. It reads a piece of an iterable when the piece is sent, so no more than one waits. It
 * ends the iterable early if the rest is not needed.
 */
export function requestBodyOf(body: UploadBody): RequestBody {
  if (typeof body === 'string' || body instanceof Uint8Array || body instanceof ReadableStream) return body;
  const encoder = new TextEncoder();
  const pieces = body[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const piece = await pieces.next();
        if (piece.done === true) controller.close();
        else controller.enqueue(typeof piece.value === 'string' ? encoder.encode(piece.value) : piece.value);
      },
      async cancel() {
        await pieces.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
