import type { AttemptedOutcome, RetryTier } from '@bulk/contracts';
import type { Lane } from '@bulk/domain';

/** What became of a message of a lane or of a retry topic. */
export type BatchEnd =
  'settled' | 'published-twice' | 'action-ended' | 'superseded' | 'postponed' | 'dead-lettered';

/** Why a batch is tried again: a dependency is away, an entity asked for it, or the batch failed as a whole. */
export type RetryReason = 'dependency' | 'entity' | 'fault';

/** Is told what becomes of batches; its functions never throw. A redelivery is told again. */
export interface BatchRecorder {
  /** A try of a batch took so many seconds, whatever came of it. */
  applied(seconds: number): void;
  /** A batch is tried again in place. */
  retried(reason: RetryReason): void;
  /** A batch has gone to a retry topic. */
  postponed(tier: RetryTier): void;
  ended(lane: Lane, end: BatchEnd): void;
  /** Outcomes are in Kafka. */
  reported(lane: Lane, outcomes: readonly AttemptedOutcome[]): void;
}
