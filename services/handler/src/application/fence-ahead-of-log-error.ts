import { CodedError } from '@bulk/domain';
import type { ReceivedMessage } from '@bulk/kafka';

/**
 * Thrown when an entity's fence lies beyond the end of its partition.
 *
 * The lane's topic was deleted and created again while the entities kept their fences. An operator
 * must act: `ops rebuild-kafka` (docs/architecture/exactly-once.md).
 */
export class FenceAheadOfLogError extends CodedError {
  constructor({ topic, partition, offset }: ReceivedMessage, fenceOffset: number, cause: unknown) {
    super(
      'FENCE_AHEAD_OF_LOG',
      `an entity was changed by offset ${fenceOffset} of ${topic}/${partition}, which has not been reached (at ${offset}): was the topic created again?`,
      { cause },
    );
  }
}
