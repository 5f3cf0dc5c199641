import { CodedError } from '@bulk/domain';

/** Thrown out of a wait that a stop breaks off; the chunk is left as it is, to be delivered again. */
export class ConsumerStoppingError extends CodedError {
  constructor() {
    super('CONSUMER_STOPPING', 'the consumer is to stop', { retryable: true });
  }
}
