import type { CallbackView } from '@bulk/contracts';
import type { CallbackState } from '@bulk/mongo';

/** The callback of an action that is just being created: due as soon as the action is final. */
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

/** A callback as the API shows it. */
export function toCallbackView({ state, attempts, lastAttemptAt, lastError }: CallbackState): CallbackView {
  return { state, attempts, lastAttempt: lastAttemptAt?.toISOString() ?? null, lastError };
}
