import Runner from 'kafkajs/src/consumer/runner.js';
import { KafkaJSError } from 'kafkajs/src/errors.js';

let ends = false;

/**
 * Makes kafkajs 2.2.4 end the fetchers that it starts while its consumer stops.
 *
 * A consumer that stops while the brokers of its partitions change gets new fetchers, which the stop does not know.
 * Each asks, is answered with nothing at once, and asks again, without a turn of the event loop. No timer and no signal
 * of the process runs any more, so the process never ends and uses a whole core. With the patch the answer is an error,
 * which ends the fetcher.
 */
export function endStoppedFetchers(): void {
  if (ends) return;
  ends = true;
  const fetch = Object.getOwnPropertyDescriptor(Runner.prototype, 'fetch')?.value as
    ((this: Runner, nodeId: number) => Promise<unknown>) | undefined;
  // A later version of kafkajs may have fixed the fault.
  if (fetch === undefined) return;
  Runner.prototype.fetch = function (this: Runner, nodeId) {
    if (!this.running) return Promise.reject(new KafkaJSError('the consumer is stopped'));
    return fetch.call(this, nodeId);
  };
}
