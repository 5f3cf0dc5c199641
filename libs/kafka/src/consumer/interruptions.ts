import { CodedError } from '@bulk/domain';

/** Thrown by a wait that a stop interrupts. The chunk stays uncommitted and is delivered again. */
export class ConsumerStoppingError extends CodedError {
  constructor() {
    super('CONSUMER_STOPPING', 'the consumer is stopping', { retryable: true });
  }
}
