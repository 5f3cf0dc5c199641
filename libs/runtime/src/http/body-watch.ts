import type { IncomingMessage } from 'node:http';

/** Number of checks per limit for whether anything has arrived. */
const CHECKS = 4;
/** Shortest time between two checks, in ms. */
const MIN_CHECK_MS = 10;

/**
 * Reports a request body whose client stops sending.
 *
 * There is no limit for the whole body: a large file on a slow line takes its time. Time in which nothing arrives
 * because the service itself does not read does not count.
 *
 * @param timeoutMs longest time without a byte; a stop is reported after at most 1.25 times this time.
 * @param onStalled called once.
 * @returns a function that ends the watch.
 */
export function watchBody(request: IncomingMessage, timeoutMs: number, onStalled: () => void): () => void {
  const { headers, socket } = request;
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (!hasBody) return () => undefined;
  let received = socket.bytesRead;
  let still = 0;
  const everyMs = Math.max(MIN_CHECK_MS, timeoutMs / CHECKS);
  const checks = setInterval(() => {
    if (request.complete || socket.destroyed) {
      clearInterval(checks);
      return;
    }
    // Beyond its high-water mark, a stream reads nothing from the socket.
    const isFull = request.readableLength >= request.readableHighWaterMark;
    if (isFull || socket.bytesRead !== received) {
      received = socket.bytesRead;
      still = 0;
      return;
    }
    // It counts checks, not time: a process that was busy has read nothing between two checks that are due at once.
    still += 1;
    if (still < CHECKS) return;
    clearInterval(checks);
    onStalled();
  }, everyMs);
  return () => clearInterval(checks);
}
