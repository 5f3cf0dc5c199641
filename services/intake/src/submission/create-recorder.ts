import type { Lane } from '@bulk/domain';

/** Records what happens to requests for actions. Its functions never throw. */
export interface CreateRecorder {
  /**
   * Records an accepted action, its number of entities, and how long staging and acceptance took.
   */
  accepted(lane: Lane, entities: number, seconds: number): void;
  /** Records that an action was not accepted: its request is wrong, or the service failed. */
  notAccepted(reason: 'refused' | 'failed', seconds: number): void;
  /** Records that a repeated request was answered with the action of the first one. */
  replayed(): void;
}
