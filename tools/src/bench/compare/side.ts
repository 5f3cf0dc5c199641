import type { Metered } from '../measure/meter.ts';

/** A contact of an action. */
export interface BenchEntity {
  readonly id: string;
  readonly ownerId: string;
  readonly score: number;
  readonly [field: string]: unknown;
}

/** One of the two systems that are compared, with fresh processes. */
export interface RunningSide {
  readonly metered: Metered;
  /** Runs an action from its request to its completed frame. @throws Error unless every entity is a success. */
  readonly run: (actionType: 'update' | 'noop', entities: readonly BenchEntity[]) => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** A system to compare. */
export interface Side {
  readonly name: string;
  readonly start: () => Promise<RunningSide>;
  /** Sum of the versions of all its contacts of the measured account. */
  readonly versions: () => Promise<number>;
  /** Does the bulk writes of its update alone. @returns seconds. */
  readonly raw: () => Promise<number>;
}

/** The account of both sides. */
export const ACCOUNT = 'bench';
/** The account of the raw writes of the platform, whose fences would otherwise hold the actions off. */
export const RAW_ACCOUNT = 'bench-raw';
export const BATCH_SIZE = 100;
/** Longest duration of an action, in ms. */
export const ACTION_TIMEOUT_MS = 1_800_000;
