import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';

let mended = false;

/**
 * Keeps kafkajs 2.2.4 from checking an empty queue of pending requests.
 *
 * It does so after each answer, at the end of a throttling that does not exist: with a timer of minus fifty years, for
 * which Node logs a TimeoutNegativeWarning (tulios/kafkajs#1751). The timer fires at once and sets the next one, a
 * thousand times a second for each connection (#1704). The code that queues a request triggers a check, so no request
 * is forgotten.
 */
export function mendRequestQueue(): void {
  if (mended) return;
  mended = true;
  const schedule = Object.getOwnPropertyDescriptor(RequestQueue.prototype, 'scheduleCheckPendingRequests')
    ?.value as ((this: RequestQueue) => void) | undefined;
  // A later version of kafkajs may have fixed the fault.
  if (schedule === undefined) return;
  RequestQueue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length > 0) schedule.call(this);
  };
}
