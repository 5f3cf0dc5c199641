import { DependencyError } from '@bulk/domain';
import { kafkaFault } from '../client/errors.ts';

/** Code of a ProduceError. */
export const PRODUCE_FAILED = 'PRODUCE_FAILED';

/** Thrown if Kafka does not confirm a send. The messages may have arrived; sending them again is safe (G2, G3). */
export class ProduceError extends DependencyError {
  constructor(topic: string, cause: unknown) {
    const fault = kafkaFault(cause);
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(PRODUCE_FAILED, `Kafka did not confirm messages for ${topic} (${fault}): ${reason}`, fault, cause);
  }
}
