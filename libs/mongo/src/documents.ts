import type { EncodedEntity, CallbackView } from '@bulk/contracts';
import type {
  AppliedMark,
  Counts,
  Effect,
  EffectCounts,
  FailureLimit,
  Fence,
  Fields,
  KeepChanges,
  Lane,
  Lease,
  OutcomeStatus,
  RetryOverride,
  StoredStatus,
} from '@bulk/domain';

/** How the records of a filter are found, and what that costs. */
export interface FilterPlan {
  /** Whether an index answers a condition. Otherwise all records of the account and type are read. */
  readonly indexed: boolean;
  /** Number of records that are read to find those that match, with deleted ones. */
  readonly examined: number;
}

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
  /** The filter that named the entities, as the caller sent it; absent if the caller listed them. */
  readonly filter?: Fields;
  /** What the read of the filter cost; absent without a filter. */
  readonly filterPlan?: FilterPlan;
  /** Whether the outcomes are only predicted, and nothing is changed. */
  readonly dryRun: boolean;
  /** The field whose value found the entities of the rows; absent if the rows named ids. */
  readonly matchBy?: string;
  /** The parts of the retry policy that the action overrides; absent if none. */
  readonly retry?: RetryOverride;
  /** The action whose failed positions this one tries again. */
  readonly retryOf: string | null;
  /**
   * The first action of the chain of retries. The changes that it made and marked are not made again. Absent if the action
   * retries none.
   */
  readonly rootActionId?: string;
  /** What the outcomes keep of the changes; absent: nothing. */
  readonly changes?: KeepChanges['kept'];
  /** The action that this one undoes; absent if it undoes none. */
  readonly undoOf?: string;
  /** The place of a retry among all retries of the same first action; absent if the action retries none. */
  readonly retryChain?: RetryLink;
  /** Rows of a corrected file that were left out; absent if the action is not from such a file. */
  readonly leftOut?: LeftOut;
  /** The form in which its rows were sent; absent if they make no table. It is written with the acceptance. */
  readonly input?: SentForm;
  /** Identifies the caller's request; absent if the caller gave no key. The key is unique within the account. */
  readonly idempotency?: {
    readonly key: string;
    /** SHA-256 of the request; null until the whole request has arrived. */
    readonly digest: string | null;
  };
  readonly status: StoredStatus;
  /** How many positions may fail; absent if any number may. stats-aggregator judges it when it counts. */
  readonly failureLimit?: FailureLimit;
  /**
   * When its rest was given up, by a cancellation or by its failure limit (`stopCauseOf`): batches that are not
   * dispatched yet are skipped.
   */
  readonly cancelRequestedAt: Date | null;
  /** Rises with every change of status or counts. */
  readonly version: number;
  readonly total: number;
  readonly batchCount: number;
  /** Number of batches whose outcomes are in `counts`. Batches that are dispatched and not counted are in flight. */
  readonly countedBatches: number;
  readonly counts: Counts;
  /** Code of a failure or skip → number of positions. */
  readonly codes: Readonly<Record<string, number>>;
  /** Successes by what they did. Absent in actions that an older version accepted. */
  readonly effects?: EffectCounts;
  /**
   * Partition of the results topic → offset of the last message whose outcomes are in `counts` (G3). Under
   * `SKIPPED_IN_DISPATCH`: the last batch that was skipped without a message.
   */
  readonly applied: Readonly<Record<string, number>>;
  readonly dispatch: DispatchState;
  /** Only in an upload that can no longer be accepted. */
  readonly uploadClaim?: UploadClaim;
  /** The span of its request (W3C Trace Context); absent if the request was not traced. */
  readonly traceparent?: string;
  /** Absent if the request named no callback URL. */
  readonly callback?: CallbackState;
  readonly scheduledFor: Date | null;
  readonly createdAt: Date;
  readonly queuedAt: Date | null;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly updatedAt: Date;
  /** Total duration of its pauses between its first outcome and its last resumption, in ms; absent: 0. */
  readonly pausedMs?: number;
}

/** Links a retry to the other retries of the same first action. It is written with the acceptance. */
export interface RetryLink {
  /** The first action of the chain. The origins of the retry's entities are positions of that action. */
  readonly id: string;
  /** From 1, in the order of acceptance. A unique index makes two simultaneous retries exclude each other. */
  readonly no: number;
  /** The number of failures of the action `retryOf` when this retry read them. */
  readonly failures: number;
}

/** The form of an action's rows: that of its CSV file, or the columns that its entities would have in a CSV. */
export type SentForm =
  | {
      /** The first row of the file without its line end. */
      readonly header: string;
      readonly delimiter: string;
      /** JSON of the map from its titles to fields, which need not be legal in BSON; absent if there is none. */
      readonly columnMap?: string;
      /** Whether formulas in its cells are escaped; absent if not. */
      readonly escaped?: boolean;
    }
  | { readonly columns: readonly string[] };

/** Number of rows of a corrected file that were not tried again, by the outcome that they had. */
export interface LeftOut {
  readonly success: number;
  readonly skipped: number;
}

/** A claim on an upload that will be removed; see `actions/upload-claims.ts`. */
export interface UploadClaim {
  /** The upload was refused or failed, made no progress, or lost its idempotency key to another request. */
  readonly reason: 'refused' | 'stalled' | 'superseded';
  /** When its staged batches may be removed. Until then a late write of the upload may still arrive. */
  readonly until: Date;
}

/** The progress of the dispatch of an action, and the instance that works on it. */
export interface DispatchState {
  /** Lowest batch that is not known to be in Kafka. */
  readonly nextBatch: number;
  readonly done: boolean;
  /** The instance that may publish, and until when; null: any instance may take the action. */
  readonly lease: Lease | null;
  /**
   * When an instance may take the action: `DUE_NOW`, or a later instant at which it becomes due (its schedule, or the
   * end of the lease).
   *
   * Absent while there is nothing to do: not accepted, paused, all published, ended. That keeps the action out of the
   * index. `WITH_DUE_AT` derives it.
   */
  readonly dueAt?: Date;
  /**
   * Present while published batches are neither counted nor postponed. That keeps all other actions out of an index.
   * `WITH_IN_FLIGHT` derives it.
   */
  readonly inFlight?: true;
  /**
   * Number of batches that the holder of the last lease may publish beyond `nextBatch` before it records them. A claim
   * sets it.
   */
  readonly window?: number;
  /**
   * Former holders whose lease expired may have published batches below this one. Absent: none beyond `nextBatch`. The
   * holder of the present lease knows its own publications.
   */
  readonly mayBePublished?: number;
  /**
   * In an action whose rest was given up: batches from this one on were never published and never will be. The dispatch skips them. It
   * is set once, before the first of them has a log, and never changes.
   */
  readonly skipFrom?: number;
  /**
   * Batches that wait in a retry topic and are not counted; absent if there is none. handler writes it.
   * stats-aggregator removes a batch in the update that counts it.
   */
  readonly postponed?: readonly number[];
  /** Absent until the gap sweeper first looks for missing batches of the action. */
  readonly sweep?: SweepState;
  /** Whether the staged batches of the ended action are removed. */
  readonly purged?: boolean;
  /** Redis may hold first positions of the action; absent once they are released. */
  readonly firstPositions?: true;
  /** The janitor that removes the staged batches, and the end of its right; absent while no janitor does. */
  readonly cleanUp?: Lease;
}

/** Collection `dispatch_lanes`: one document per lane, with the number of batches that intake keeps in flight in it. */
export interface DispatchLaneDocument {
  readonly _id: Lane;
  /** Maximum number of batches in flight, as last measured by any instance. */
  readonly size: number;
  /** Latency of a batch on an idle lane, in ms. */
  readonly restMs: number;
  /** The instance that measured it, and when. */
  readonly by: string;
  readonly at: Date;
}

/** Returns the id of a dead letter: its place in the topic of dead letters. */
export function deadLetterId(partition: number, offset: number | string): string {
  return `${partition}:${offset}`;
}

/**
 * Collection `dead_letter_marks`: what an operator did with a dead letter. `npm run dlq` writes it, and stats-aggregator
 * reads it to find the dead letters that still wait.
 */
export interface DeadLetterMarkDocument {
  /** See `deadLetterId`. */
  readonly _id: string;
  /** `replaying`: a replay was started, and may have been broken off before or after it was sent. */
  readonly state: 'replaying' | 'replayed' | 'dropped';
  readonly at: Date;
  /** The generation of the last replay; `null` if there was none. */
  readonly generation: number | null;
  /**
   * When the dead letter was written. Distinguishes it from one in the same place of a topic that was created again.
   */
  readonly failedAt: number;
}

/** A saved mapping of the columns of CSV files. */
export interface StoredColumnMapping {
  readonly name: string;
  readonly entityType: string;
  /** The map as JSON text: a title may contain characters that a key of a document may not. */
  readonly columns: string;
  readonly updatedAt: Date;
}

/**
 * Collection `column_mappings`: one document per account that has saved mappings, so that one update holds their number
 * within its bound. Their sizes are bounded too.
 */
export interface ColumnMappingsDocument {
  /** accountId. */
  readonly _id: string;
  readonly mappings: readonly StoredColumnMapping[];
}

/**
 * Collection `account_quotas`: one document per account, with the part of its quotas that its work uses. intake writes
 * it if a quota is configured. Every update keeps the sums equal to the holds.
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
  /** Number of rows that were staged on that day, without those of refused requests. */
  readonly rows: number;
  /**
   * actionId → the part of the quotas that the action uses. The hold of an ended or refused action is removed when a
   * request looks for room.
   */
  readonly holds: Readonly<Record<string, QuotaHold>>;
}

/** The part of an account's quotas that one action uses. */
export interface QuotaHold {
  /** Bytes of the staged entities of the action. */
  readonly bytes: number;
  /** UTC day → number of rows that were staged on it. A refused request returns them. */
  readonly rows: Readonly<Record<string, number>>;
}

/** The state of the search for missing batches of an action. The gap sweeper of intake writes it. */
export interface SweepState {
  /** When any instance may continue the search. */
  readonly dueAt: Date;
  /** Number of times that batches were published again since an outcome was last counted. */
  readonly rounds?: number;
  /**
   * The offsets that must be consumed before a batch without an outcome counts as missing; null: nothing is known yet.
   */
  readonly mark?: SweepMark | null;
}

/** The state of an action and of the topics when the search started. */
export interface SweepMark {
  /** If the number has changed since, the action has progressed, and the search starts again. */
  readonly countedBatches: number;
  /** Batches below this one had been published. */
  readonly nextBatch: number;
  /** Partition of its lane → the end of the log. */
  readonly laneEnds: Readonly<Record<string, number>>;
  /**
   * The partitions of its lane that were consumed up to `laneEnds`, with the ends of the results topic after that;
   * null: none.
   */
  readonly consumed: {
    readonly partitions: readonly number[];
    readonly resultEnds: Readonly<Record<string, number>>;
  } | null;
}

/** The state of the call of an action's callback URL. Written by intake (creation) and notifier (deliveries). */
export interface CallbackState {
  readonly url: string;
  readonly state: CallbackView['state'];
  /** Number of tries that were started. */
  readonly attempts: number;
  /**
   * When any instance may make the next try, once the action is final. While a try is under way, this is the end of its
   * lease. Absent if there is nothing left to do, which keeps the action out of the index.
   */
  readonly dueAt?: Date;
  /** Id of the try that is under way. It fences the record of the outcome. */
  readonly owner: string | null;
  readonly lastAttemptAt: Date | null;
  /** A short text. It never contains any part of an answer's body. */
  readonly lastError: string | null;
}

/** Collection `staged_batches`. Written by intake before an action is accepted, read by its dispatch. */
export interface StagedBatchDocument {
  /** `actionId:batchNo`. */
  readonly _id: string;
  readonly actionId: string;
  readonly batchNo: number;
  readonly partition: number;
  /** The fields are JSON text, since a caller's field names need not be legal in BSON. */
  readonly entities: readonly EncodedEntity[];
  /** For a retry: the position of each entity in the first action of its chain. */
  readonly origins?: readonly number[];
  /**
   * For a CSV: the row of each entity as it was sent; null if it was too large to be kept. The dispatch does not read
   * it.
   */
  readonly sources?: readonly (string | null)[];
}

/**
 * Collection `action_logs`: one document per batch (bucket pattern). stats-aggregator writes it, and intake for the
 * batches that it skips.
 */
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
  /** Generation of the result; absent: 0, the batch as it was dispatched. */
  readonly generation?: number;
  /**
   * The outcomes that a replay replaced, in ascending order of generation; absent if none. Until the new outcomes are
   * counted, they may still have to be subtracted from the counts, as far as they were counted.
   */
  readonly replaced?: readonly ReplacedOutcomes[];
}

/** The place of a result in the results topic. */
export interface ResultSource {
  /** `SKIPPED_IN_DISPATCH` if there was no result; then the offset is the number of the batch. */
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
  /** What a success did to its entity; absent if it is unknown. */
  readonly effect?: Effect;
  /** The version of the entity that the action left; absent if it is unknown. */
  readonly version?: number;
  /** What the action keeps of the change, as the JSON of `EntityChanges`; absent if it keeps nothing. */
  readonly changes?: string;
}

/**
 * An entity of the CRM: these fields and those of its type. A deletion leaves a tombstone, which has only these fields,
 * with `deletedAt`. Every reader of entities treats a tombstone as absent.
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
  /** The marks of the last changes that left one, in the order in which they were made; absent if there is none. */
  readonly applied?: readonly AppliedMark[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** Only in a tombstone. */
  readonly deletedAt?: Date;
  readonly [field: string]: unknown;
}

/** Returns the key of an entity. It is unambiguous, since an account id contains no `:`. */
export function entityKey(accountId: string, entityId: string): string {
  return `${accountId}:${entityId}`;
}

/** Returns the id of the entity of a key. */
export function entityIdOf(accountId: string, key: string): string {
  return key.slice(accountId.length + 1);
}
