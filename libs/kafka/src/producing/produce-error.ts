import { CodedError } from '@bulk/domain';

/** Refusals of the message itself: the same message is refused again. */
const REFUSED = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD']);

/** Code of a ProduceError. */
export const PRODUCE_FAILED = 'PRODUCE_FAILED';

/** Thrown when Kafka did not confirm a send: the messages may or may not be there. Sending again is safe, see G2, G3. */
export class ProduceError extends CodedError {
  constructor(topic: string, cause: unknown) {
    const type = cause instanceof Error && 'type' in cause ? String(cause.type) : '';
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(PRODUCE_FAILED, `Kafka did not confirm messages for ${topic}: ${reason}`, {
      retryable: !REFUSED.has(type),
      cause,
    });
  }
}
