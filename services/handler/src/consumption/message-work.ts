import type { ReceivedMessage } from '@bulk/kafka';
import type { RunEnd, Tries } from '../application/batch-runner.ts';
import type { LaneBatch } from '../application/lane-batch.ts';
import type { DeadLetterState } from '../dead-letters/unprocessable-batches.ts';

/** The state of the work on a message, over all tries. */
export interface MessageWork extends Tries, DeadLetterState {
  readonly message: ReceivedMessage;
  /** The group of the message, once its turn has come. */
  group?: readonly MessageWork[];
  batch?: LaneBatch;
  /** Whether the action is known not to have ended before the batch was tried. */
  isActionChecked: boolean;
  /** How the work on the batch ended. If its last step fails, only that step is tried again. */
  end?: WorkEnd;
  isDone: boolean;
  /** Number of failures outside the application of the batch that are not known to be transient. */
  faults: number;
  /** Time of the next try, on the monotonic clock. */
  dueAt: number;
}

/** A message that cannot be read, or whose result cannot be sent. */
export interface Unprocessable {
  readonly kind: 'unprocessable';
  readonly error: unknown;
  readonly attempts: number;
}

export type WorkEnd = RunEnd | { readonly kind: 'action-ended' } | Unprocessable;

/** Returns the state of a message that has not been tried. */
export function newWork(message: ReceivedMessage): MessageWork {
  return {
    message,
    isActionChecked: false,
    isDone: false,
    isDeadLettered: false,
    faults: 0,
    outages: 0,
    until: undefined,
    dueAt: Number.NEGATIVE_INFINITY,
  };
}
