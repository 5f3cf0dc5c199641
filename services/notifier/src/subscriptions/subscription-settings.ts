import type { CodedError } from '@bulk/domain';
import type { ConnectionRecorder } from '../connection/connection-recorder.ts';
import type { SubscriptionBudget } from '../limits/subscription-budget.ts';
import type { FinishedActions } from './finished-actions.ts';
import type { SubscriptionHub } from './hub.ts';
import type { Newcomers } from './newcomers.ts';
import type { Snapshots } from './snapshots.ts';
import type { Scheduler } from '@bulk/runtime';
import type { UpdateSink } from './subscription.ts';

/** What is the same for every client of a process. */
export interface SubscriptionSettings {
  readonly hub: SubscriptionHub;
  readonly snapshots: Pick<Snapshots, 'read' | 'readAccount'>;
  readonly newcomers: Pick<Newcomers, 'lookUp'>;
  /** What is remembered of each account, by all connections together. */
  readonly finished: FinishedActions;
  readonly scheduler: Scheduler;
  /** The time of day. */
  readonly now: () => Date;
  /** Shortest time between two updates of an action, in ms. */
  readonly intervalMs: number;
  /** Shortest time between two snapshots of the same subject, in ms. */
  readonly snapshotIntervalMs: number;
  readonly maxSubscriptions: number;
  /** Actions that a subscription to an account tracks at most. */
  readonly maxAccountActions: number;
  /** Counts subscriptions of accounts and in all. */
  readonly budget: SubscriptionBudget;
  readonly recorder: Pick<ConnectionRecorder, 'dropped'>;
}

/** The connection, as far as its subscriptions need it. */
export interface SubscriptionOwner extends UpdateSink {
  /** The subscription to the account was ended. */
  accountEnded(error: CodedError): void;
  /** Carries out `show` after the requests that came before. A client that it fails for is told so. */
  later(subject: SnapshotSubject, show: () => Promise<void>): void;
}

/** What a snapshot shows: one action, or all of an account. */
export type SnapshotSubject = { readonly actionId: string } | { readonly accountId: string };
