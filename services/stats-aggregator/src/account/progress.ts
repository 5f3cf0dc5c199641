import type { ActionProgress } from '@bulk/contracts';
import { progressStateOf } from '@bulk/mongo';
import type { CountedAction } from './action-counts.ts';

/** The event that tells an action's state. */
export function toProgress(action: CountedAction): ActionProgress {
  return { ...progressStateOf(action), updatedAt: action.updatedAt.getTime() };
}
