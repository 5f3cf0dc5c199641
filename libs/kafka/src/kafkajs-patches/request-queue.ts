import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';

let mended = false;

/**
 * Keeps kafkajs 2.2.4 from looking for pending requests where there are none. It does so after each answer, at the end of a
 * throttling that is none: a timer of minus fifty years, which Node calls a TimeoutNegativeWarning (tulios/kafkajs#1751) and
 * fires at once, and which sets the next one, a thousand times a second for each connection (#1704). Who queues a request
 * has the queue looked at, so nothing is left lying.
 */
export function mendRequestQueue(): void {
  if (mended) return;
  mended = true;
  const schedule = Object.getOwnPropertyDescriptor(RequestQueue.prototype, 'scheduleCheckPendingRequests')
    ?.value as ((this: RequestQueue) => void) | undefined;
  // Another version may have mended it by itself.
  if (schedule === undefined) return;
  RequestQueue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length > 0) schedule.call(this);
  };
}
