import type { CallbackView } from '@bulk/contracts';
import type { CallbackState } from '@bulk/mongo';

/** Creates the callback of a new action. It is due as soon as the action is final. */
export function newCallback(url: string, now: Date): CallbackState {
  return {
    url,
    state: 'waiting',
    attempts: 0,
    dueAt: now,
    owner: null,
    lastAttemptAt: null,
    lastError: null,
  };
}

/** Builds the view of a callback that the API shows. */
export function toCallbackView({ state, attempts, lastAttemptAt, lastError }: CallbackState): CallbackView {
  return { state, attempts, lastAttempt: lastAttemptAt?.toISOString() ?? null, lastError };
}
