import type { Outcome, OutcomeStatus } from '@bulk/domain';
import { z } from 'zod';

/** Collection of the contacts: the same name, fields and indexes as the platform's, in another database. */
export const COLLECTIONS = {
  actions: 'actions',
  logs: 'logs',
  batchLogs: 'batch_logs',
} as const;

export const QUEUE = 'bulk-actions';

/** Entities as a request and a job hold them: an id and any fields, which the worker checks. */
export interface PeerEntity {
  readonly id: string;
  readonly [field: string]: unknown;
}

/** A batch of an action in the queue. */
export interface PeerJob {
  readonly actionId: string;
  readonly accountId: string;
  readonly actionType: string;
  readonly batchNo: number;
  /** Position of the first entity. */
  readonly firstPosition: number;
  readonly entities: readonly PeerEntity[];
}

export interface PeerAction {
  readonly _id: string;
  readonly accountId: string;
  readonly actionType: string;
  readonly status: 'queued' | 'processing' | 'completed' | 'failed';
  readonly total: number;
  readonly stats: Readonly<Record<OutcomeStatus | 'processed', number>>;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly completedAt?: Date;
}

/** One outcome of a log. */
export interface PeerLogLine {
  readonly position: number;
  readonly entityId: string;
  readonly status: OutcomeStatus;
  readonly code: Outcome['code'];
  readonly message: Outcome['message'];
  readonly attempts: number;
}

export interface PeerLog extends PeerLogLine {
  readonly actionId: string;
  readonly at: Date;
}

export interface PeerBatchLog {
  readonly actionId: string;
  readonly batchNo: number;
  readonly counts: Readonly<Record<OutcomeStatus, number>>;
  readonly outcomes: readonly PeerLogLine[];
  readonly at: Date;
}

/** What a subscriber sees of an action. */
export const peerViewSchema = z.object({
  actionId: z.string(),
  accountId: z.string(),
  actionType: z.string(),
  status: z.enum(['queued', 'processing', 'completed', 'failed']),
  total: z.number(),
  processed: z.number(),
  success: z.number(),
  failure: z.number(),
  skipped: z.number(),
});
export type PeerView = z.infer<typeof peerViewSchema>;

/** Frames of the WebSocket, both ways. */
export const peerFrameSchema = z.object({ event: z.string(), data: z.unknown() });

export function viewOf({ _id, accountId, actionType, status, total, stats }: PeerAction): PeerView {
  return { actionId: _id, accountId, actionType, status, total, ...stats };
}

export function progressChannel(prefix: string): string {
  return `${prefix}:progress`;
}
