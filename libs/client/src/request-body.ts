/** A body as `fetch` takes it. */
export type RequestBody = string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;

/** What can be uploaded: text, bytes, or either piece by piece. */
export type UploadBody =
  string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | AsyncIterable<string | Uint8Array>;

/** Whether a body can be sent twice. */
export function isRepeatable(body: RequestBody): boolean {
  return typeof body === 'string' || body instanceof Uint8Array;
}

/** Pieces are asked for as they are sent: no more than one waits. An iterable is told when its rest is not wanted. */
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
