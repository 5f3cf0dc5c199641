import { InvalidInputError } from '@bulk/domain';

const DAY_MS = 86_400_000;

export interface ScheduleOptions {
  /** Maximum number of days between the request and the start of its action. */
  readonly maxDays: number;
  readonly now: () => Date;
}

/**
 * Reads the start of an action.
 *
 * @param scheduledFor ISO 8601 with an offset; `undefined` for an immediate start.
 * @returns `null` if the action starts at once.
 * @throws InvalidInputError `INVALID_REQUEST` if the start lies further ahead than allowed.
 */
export function startOf(scheduledFor: string | undefined, { maxDays, now }: ScheduleOptions): Date | null {
  if (scheduledFor === undefined) return null;
  const start = new Date(scheduledFor);
  const latest = new Date(now().getTime() + maxDays * DAY_MS);
  if (start <= latest) return start;
  throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [
    {
      field: 'scheduledFor',
      message: `expected a start at most ${maxDays} days ahead, which is ${latest.toISOString()}, found ${start.toISOString()}`,
    },
  ]);
}
