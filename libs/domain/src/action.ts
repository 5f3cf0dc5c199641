import { z } from 'zod';

/** The priority classes, the most urgent first. Each has a Kafka topic of its own. */
export const LANES = ['high', 'normal', 'low'] as const;
export const laneSchema = z.enum(LANES);
export type Lane = z.infer<typeof laneSchema>;

/**
 * An account id: letters, digits, `.`, `_`, `-`, at most 64. It contains no `:`, so that `accountId:entityId` is
 * unambiguous.
 */
export const accountIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,64}$/, 'expected 1 to 64 letters, digits, ".", "_" or "-"');

/** An action id: a UUID (version 7, so that ids sort by time of creation). */
export const actionIdSchema = z.uuid('expected a UUID');

/**
 * Reads the creation time of an action from its id, in ms since the epoch.
 *
 * @returns undefined if the id is a UUID of another version, which contains no time.
 */
export function createdAtOf(actionId: string): number | undefined {
  const [, high = '', low = ''] = /^([\da-f]{8})-([\da-f]{4})-7/i.exec(actionId) ?? [];
  return high === '' ? undefined : Number.parseInt(high + low, 16);
}

/** The name of an action type or entity type: a lower-case word, e.g. `update`, `contact`. */
export const typeNameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,63}$/, 'expected a lower-case name such as "update" or "contact"');

/** The entity type of an action that does not name one. */
export const DEFAULT_ENTITY_TYPE = 'contact';
export const DEFAULT_LANE: Lane = 'normal';

/** The facts of an action that never change. They travel with each of its batches. */
export interface ActionIdentity {
  readonly actionId: string;
  readonly accountId: string;
  readonly actionType: string;
  readonly entityType: string;
  readonly lane: Lane;
}

/**
 * Returns a stable identifier for the work on one position. It stays the same across redeliveries, retries and replays
 * of the batch.
 *
 * An action that retries another one is another action, with tokens of its own.
 */
export function idempotencyTokenOf(actionId: string, position: number): string {
  return `${actionId}:${position}`;
}
