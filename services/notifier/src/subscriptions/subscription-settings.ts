import type { CodedError } from '@bulk/domain';
import type { SubscriptionBudget } from '../limits/subscription-budget.ts';
import type { FinishedActions } from './finished-actions.ts';
import type { SubscriptionHub } from './hub.ts';
import type { Newcomers } from './newcomers.ts';
import type { Snapshots } from './snapshots.ts';
import type { Scheduler } from '@bulk/runtime';
import type { UpdateSink } from './subscription.ts';
import type { UpdateRecorder } from './update-recorder.ts';

/** The settings that all clients of a process share. */
export interface SubscriptionSettings {
  readonly hub: SubscriptionHub;
  readonly snapshots: Pick<Snapshots, 'read' | 'readAccount'>;
  readonly newcomers: Pick<Newcomers, 'lookUp'>;
  /** The finished actions of each account that all connections remember together. */
  readonly finished: FinishedActions;
  readonly scheduler: Scheduler;
  /** Returns the time of day. */
  readonly now: () => Date;
  /** Minimum time between two updates of an action, in ms. */
  readonly intervalMs: number;
  /** Minimum time between two snapshots of the same subject, in ms. */
  readonly snapshotIntervalMs: number;
  readonly maxSubscriptions: number;
  /** Maximum number of actions that a subscription to an account tracks. */
  readonly maxAccountActions: number;
  /** Counts the subscriptions per account and in total. */
  readonly budget: SubscriptionBudget;
  readonly recorder: UpdateRecorder;
}

/** The connection, as its subscriptions see it. */
export interface SubscriptionOwner extends UpdateSink {
  /** Called when the subscription to the account was ended. */
  accountEnded(error: CodedError): void;
  /**
   * Runs `show` after the requests that came before. If `show` fails, the client receives the
   * error.
   */
  later(subject: SnapshotSubject, show: () => Promise<void>): void;
}

/** The subject of a snapshot: one action, or all actions of an account. */
export type SnapshotSubject = { readonly actionId: string } | { readonly accountId: string };
