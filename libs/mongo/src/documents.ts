import type { BatchEntity, CallbackView } from '@bulk/contracts';
import type {
  Counts,
  Fence,
  Fields,
  Lane,
  Lease,
  OutcomeStatus,
  RetryOverride,
  StoredStatus,
} from '@bulk/domain';

/**
 * Collection `actions`. Written by intake (creation, dispatch), handler (postponed batches), stats-aggregator (counts,
 * status) and notifier (callback).
 */
export interface ActionDocument {
  /** actionId. */
  readonly _id: string;
  readonly accountId: string;
  readonly actionType: string;
  readonly entityType: string;
  readonly lane: Lane;
  readonly config: Fields;
  /** Outcomes are foretold, nothing is changed. */
  readonly dryRun: boolean;
  /** What of the retry policy it sets of its own; absent: nothing. */
  readonly retry?: RetryOverride;
  /** The action whose failed positions this one tries again. */
  readonly retryOf: string | null;
  /** What the caller recognises its request by; absent where it gave no key. Unique within the account. */
  readonly idempotency?: {
    readonly key: string;
    /** SHA-256 of the request; null until it has arrived whole. */
    readonly digest: string | null;
  };
  readonly status: StoredStatus;
  /** When its cancelling was asked for: what is not dispatched yet is skipped. */
  readonly cancelRequestedAt: Date | null;
  /** Rises with every change of status or counts. */
  readonly version: number;
  readonly total: number;
  readonly batchCount: number;
  /** Batches whose outcomes are in `counts`: what is dispatched and not counted is in flight. */
  readonly countedBatches: number;
  readonly counts: Counts;
  /** Code of a failure or skip → how often. */
  readonly codes: Readonly<Record<string, number>>;
  /**
   * Partition of the results topic → offset of the last message whose outcomes are in `counts` (G3). Under
   * `SKIPPED_IN_DISPATCH`: the last batch that was skipped without a message.
   */
  readonly applied: Readonly<Record<string, number>>;
  readonly dispatch: DispatchState;
  /** Only of an upload: why it can no longer be accepted. */
  readonly uploadClaim?: UploadClaim;
  /** The span of its request (W3C Trace Context); absent where it was not traced. */
  readonly traceparent?: string;
  /** Absent where nobody is to be called at the end. */
  readonly callback?: CallbackState;
  readonly scheduledFor: Date | null;
  readonly createdAt: Date;
  readonly queuedAt: Date | null;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly updatedAt: Date;
  /** How long it stood still, since it was paused, between its first outcome and its last resumption, in ms; absent: 0. */
  readonly pausedMs?: number;
}

/** A claim on an upload that is to be removed; see `actions/upload-claims.ts`. */
export interface UploadClaim {
  /** It was refused or failed, made no progress, or lost its idempotency key to another request. */
  readonly reason: 'refused' | 'stalled' | 'superseded';
  /** From when on what it has staged may be removed: until then, a write of it may still arrive. */
  readonly until: Date;
}

/** How far an action's batches are published, and by whom. */
export interface DispatchState {
  /** Lowest batch that is not known to be in Kafka. */
  readonly nextBatch: number;
  readonly done: boolean;
  /** Who may publish, and until when; null: anyone may take it. */
  readonly lease: Lease | null;
  /**
   * From when on an instance may take the action: `DUE_NOW`, or a later instant at which it becomes due (its schedule, or
   * the end of the lease). Absent while there is nothing to do: not accepted, paused, all published, ended. That keeps the
   * action out of the index. `WITH_DUE_AT` derives it.
   */
  readonly dueAt?: Date;
  /**
   * Present while batches are published that are neither counted nor postponed; keeps all other actions out of an index.
   * `WITH_IN_FLIGHT` derives it.
   */
  readonly inFlight?: true;
  /** How many batches the holder of the last lease may publish beyond `nextBatch` before it records them; set by a claim. */
  readonly window?: number;
  /**
   * What former holders of a lease that ended without being handed back may have published: batches below this one. Absent:
   * nothing beyond `nextBatch`. The holder of the present lease knows what it has published itself.
   */
  readonly mayBePublished?: number;
  /**
   * Of a cancelled action: batches from this one on were never published and never will be; they are skipped here. Set once,
   * before the first of them has a log, and never changed.
   */
  readonly skipFrom?: number;
  /**
   * Batches that wait in a retry topic and are not counted. Written by handler; stats-aggregator removes a batch in the
   * update that counts it. Absent where there is none.
   */
  readonly postponed?: readonly number[];
  /** Absent where nobody has looked for missing batches of it. */
  readonly sweep?: SweepState;
  /** Whether the staged batches of the ended action are removed. */
  readonly purged?: boolean;
  /** Redis may hold first positions of the action; absent once they are released. */
  readonly firstPositions?: true;
  /** The janitor that is removing them, and until when no other one may; absent while nobody does. */
  readonly cleanUp?: Lease;
}

/** Collection `dispatch_lanes`: one document per lane. How much the instances of intake let be in flight in it. */
export interface DispatchLaneDocument {
  readonly _id: Lane;
  /** Number of batches that may be in flight, as measured last by any instance. */
  readonly size: number;
  /** Time that a batch takes where none is in front of it, in ms. */
  readonly restMs: number;
  /** The instance that measured it, and when. */
  readonly by: string;
  readonly at: Date;
}

/**
 * Collection `account_quotas`: one document per account, with what its work takes of its quotas. Written by intake if a quota
 * is configured. Every update keeps the sums equal to the holds.
 */
export interface AccountQuotaDocument {
  /** accountId. */
  readonly _id: string;
  /** Number of `holds`. */
  readonly actions: number;
  /** Sum of the bytes of `holds`. */
  readonly bytes: number;
  /** The UTC day that `rows` belongs to, such as `2026-11-25`. It never goes back. */
  readonly day: string;
  /** Rows that were staged on that day, without those of refused requests. */
  readonly rows: number;
  /** actionId → what the action takes. The hold of an ended or refused action is removed when its room is looked for. */
  readonly holds: Readonly<Record<string, QuotaHold>>;
}

/** What one action takes of the quotas of its account. */
export interface QuotaHold {
  /** Bytes of its staged entities. */
  readonly bytes: number;
  /** UTC day → rows that were staged on it: what a refused request gives back. */
  readonly rows: Readonly<Record<string, number>>;
}

/** How far the search for missing batches of an action is. Written by the gap sweeper of intake. */
export interface SweepState {
  /** From when on any instance may go on. */
  readonly dueAt: Date;
  /** How often batches were published again since an outcome was counted. */
  readonly rounds?: number;
  /** What has to be consumed before a batch without an outcome is missing; null: nothing is known yet. */
  readonly mark?: SweepMark | null;
}

/** How an action and the topics were when the search began. */
export interface SweepMark {
  /** Another number now: it has moved, and the search begins again. */
  readonly countedBatches: number;
  /** Batches below this one had been published. */
  readonly nextBatch: number;
  /** Partition of its lane → the end of the log. */
  readonly laneEnds: Readonly<Record<string, number>>;
  /** Partitions of its lane that were consumed up to there, with the ends of the results after that; null: none was. */
  readonly consumed: {
    readonly partitions: readonly number[];
    readonly resultEnds: Readonly<Record<string, number>>;
  } | null;
}

/** How far the call of an action's callback URL is. Written by intake (creation) and notifier (deliveries). */
export interface CallbackState {
  readonly url: string;
  readonly state: CallbackView['state'];
  /** Tries begun. */
  readonly attempts: number;
  /**
   * From when on any instance may try, once the action is final: the next try, or while one is under way the end of its
   * lease. Absent where there is nothing left to do, which keeps the action out of the index.
   */
  readonly dueAt?: Date;
  /** The try that is under way; fences the record of its outcome. */
  readonly owner: string | null;
  readonly lastAttemptAt: Date | null;
  /** Short; never anything of an answer's body. */
  readonly lastError: string | null;
}

/** Collection `staged_batches`. Written by intake before an action is accepted, read by its dispatch. */
export interface StagedBatchDocument {
  /** `actionId:batchNo`. */
  readonly _id: string;
  readonly actionId: string;
  readonly batchNo: number;
  readonly partition: number;
  /** Fields as JSON text, since a caller's field names need not be legal in BSON. */
  readonly entities: readonly BatchEntity[];
}

/** Collection `action_logs`: one document per batch (bucket pattern). Written by stats-aggregator, and by intake for what it skips. */
export interface ActionLogDocument {
  /** `actionId:batchNo`: a batch has one log, however often it is delivered (G3). */
  readonly _id: string;
  readonly actionId: string;
  readonly batchNo: number;
  /** Partition of the lane: positions ascend within (actionId, partition) by batchNo. */
  readonly partition: number;
  readonly firstPosition: number;
  readonly lastPosition: number;
  readonly counts: Counts;
  readonly outcomes: readonly LoggedOutcome[];
  /** The message of the results topic that this log came from. */
  readonly source: ResultSource;
  readonly at: Date;
  /** Of the result; absent: 0, the batch as it was dispatched. */
  readonly generation?: number;
  /**
   * What the outcomes replaced, in ascending order of generation: as much of it as counts, until those of the replacement
   * are counted, may still have to be subtracted. Absent where nothing was replaced.
   */
  readonly replaced?: readonly ReplacedOutcomes[];
}

/** Where a result stands in the results topic. */
export interface ResultSource {
  /** `SKIPPED_IN_DISPATCH` where there was no result: then the offset is the number of the batch. */
  readonly partition: number;
  readonly offset: number;
}

/** Outcomes of a batch that a replay has replaced. */
export type ReplacedOutcomes = Pick<ActionLogDocument, 'outcomes' | 'source' | 'at'> & {
  readonly generation: number;
};

export interface LoggedOutcome {
  readonly position: number;
  readonly entityId: string;
  readonly ref: string | null;
  readonly status: OutcomeStatus;
  readonly code: string | null;
  readonly message: string | null;
  readonly attempts: number;
}

/**
 * An entity of the CRM: its type's fields beside these. A deletion leaves a tombstone: these alone, with `deletedAt`;
 * whoever reads entities takes it as absent.
 */
export interface EntityDocument {
  /** `accountId:entityId`. */
  readonly _id: string;
  readonly accountId: string;
  readonly id: string;
  /** Rises with every change. */
  readonly version: number;
  /** Lane → the last batch of that lane that changed it (G5). */
  readonly fence?: Readonly<Partial<Record<Lane, Fence>>>;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** Only in a tombstone. */
  readonly deletedAt?: Date;
  readonly [field: string]: unknown;
}

/** The key of an entity; unambiguous, since an account id holds no `:`. */
export function entityKey(accountId: string, entityId: string): string {
  return `${accountId}:${entityId}`;
}
