import type { AttemptedOutcome, RetryTier } from '@bulk/contracts';
import type { Lane } from '@bulk/domain';

/** How the work on a message of a lane or of a retry topic ended. */
export type BatchEnd =
  'settled' | 'published-twice' | 'action-ended' | 'superseded' | 'postponed' | 'dead-lettered';

/**
 * Why a batch is tried again: a dependency is unavailable, an entity asked for it, or the batch
 * failed as a whole.
 */
export type RetryReason = 'dependency' | 'entity' | 'fault';

/** Records what happens to batches. Its functions never throw. A redelivery is recorded again. */
export interface BatchRecorder {
  /** Records the duration of a try of a batch, whatever its result. */
  applied(seconds: number): void;
  /** Records that a batch is tried again in place. */
  retried(reason: RetryReason): void;
  /** Records that a batch was put into a retry topic. */
  postponed(tier: RetryTier): void;
  ended(lane: Lane, end: BatchEnd): void;
  /** Records that outcomes are in Kafka. */
  reported(lane: Lane, outcomes: readonly AttemptedOutcome[]): void;
}
