import type { Lane } from '@bulk/domain';

/** Is told what becomes of requests for actions; its functions never throw. */
export interface CreateRecorder {
  /** An action with so many entities was staged and accepted in so many seconds. */
  accepted(lane: Lane, entities: number, seconds: number): void;
  /** An action was not accepted after all: its request is wrong, or we failed. */
  notAccepted(reason: 'refused' | 'failed', seconds: number): void;
  /** A repeated request was answered with the action of the first one. */
  replayed(): void;
}
