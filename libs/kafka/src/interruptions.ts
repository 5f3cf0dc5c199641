import { CodedError } from '@bulk/domain';

/** Thrown out of a wait that a stop breaks off; the chunk is left as it is, to be delivered again. */
export class ConsumerStoppingError extends CodedError {
  constructor() {
    super('CONSUMER_STOPPING', 'the consumer is to stop', { retryable: true });
  }
}

/** Errors by which kafkajs says that the partition is, or may be, someone else's; it rejoins when it sees them. */
export function isLostPartition(error: unknown): boolean {
  return (
    error instanceof Error &&
    'type' in error &&
    [
      'REBALANCE_IN_PROGRESS',
      'NOT_COORDINATOR_FOR_GROUP',
      'ILLEGAL_GENERATION',
      'UNKNOWN_MEMBER_ID',
    ].includes(String(error.type))
  );
}
