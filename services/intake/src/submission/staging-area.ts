import { encodeEntities } from '@bulk/contracts';
import {
  chunksOf,
  Batcher,
  CodedError,
  instantAfter,
  InvalidInputError,
  MAX_BATCH_BYTES,
  STAGING,
  toEntity,
  type ActionIdentity,
  type Batch,
  type Entity,
  type FailureLimit,
  type Fields,
  type IncomingRow,
  type KeepChanges,
  type RetryOverride,
} from '@bulk/domain';
import {
  acceptance,
  claimingUpload,
  stagedFields,
  stored,
  StoreError,
  unclaimedUpload,
  type SentForm,
  type ActionDocument,
  type Database,
  type FilterPlan,
  type StagedBatchDocument,
} from '@bulk/mongo';
import type { Logger } from '@bulk/runtime';
import { sourceOf } from '@bulk/uploads';
import { FormOfInput } from '../input/form-of-input.ts';
import { currentTraceparent } from '@bulk/runtime/telemetry';
import type { Document } from 'mongodb';
import { isKeyTaken, type IdempotencyKey } from './idempotency.ts';
import type { QuotaClaim } from '../quotas/quotas.ts';
import { retryInProgress } from '../retries/retry-chain.ts';
import { originOf } from '../retries/row-origin.ts';
import { newCallback } from '../webhooks/callback.ts';
import { checkedRowSize } from './entity-size.ts';
import { removeStagedBatches } from '../clean-up/removal.ts';
import type { DirectDispatch, FirstLease } from '../dispatch/first-lease.ts';

/** An action before its entities have arrived. */
export interface ActionDraft {
  readonly identity: ActionIdentity;
  readonly config: Fields;
  /** The filter that names the entities, and the cost of its read; absent if the caller lists them. */
  readonly filter?: Fields;
  readonly filterPlan?: FilterPlan;
  readonly dryRun: boolean;
  /** The field whose value finds the entity of a row; absent if the rows name ids. */
  readonly matchBy?: string;
  readonly scheduledFor: Date | null;
  /** Absent if the action has no retry policy of its own. */
  readonly retry?: RetryOverride;
  /** Absent if any number of positions may fail. */
  readonly failureLimit?: FailureLimit;
  /** The action whose failed positions this one tries again. */
  readonly retryOf: string | null;
  /** The first action of the chain of retries, whose relative changes are not made again; absent if there is none. */
  readonly rootActionId?: string;
  /** What the outcomes keep of the changes; absent: nothing. */
  readonly changes?: KeepChanges['kept'];
  /** The action that this one undoes; absent if it undoes none. */
  readonly undoOf?: string;
  /** Absent if the action has no callback. */
  readonly callbackUrl?: string;
}

/** What the acceptance of an action stores in addition to its size. */
export type AcceptedFacts = Pick<ActionDocument, 'retryChain' | 'leftOut' | 'input'>;

/** Returns what is known of an action only when all of its entities are read. */
export type AtAcceptance = () => AcceptedFacts;

/** An entity on its way to its batch. */
type StagedEntity = Entity & { readonly source?: string | null };

export interface StagingOptions {
  readonly batchSize: number;
  /** Number of partitions of the lane's topic. */
  readonly partitions: number;
  /** Number of batches per write. */
  readonly groupBatches: number;
  /**
   * Maximum number of bytes of entities that are held before they are written, even in batches that
   * are not full.
   */
  readonly bufferBytes: number;
  /** Largest JSON of one entity, in bytes. */
  readonly maxEntityBytes: number;
  /** How long a write that was given up may still arrive at MongoDB, in ms. */
  readonly lateWriteMs: number;
  /** Time between two signs of life of an upload that may be silent, in ms; see `mayBeSilent`. */
  readonly pulseMs: number;
  readonly now: () => Date;
}

/**
 * How long the insertion of an upload counts as the sign of life of its first write, in ms. It is
 * below every time after which an upload without a sign of life counts as broken off.
 */
const SIGN_OF_LIFE_MS = 500;
/** Maximum number of staged batches, and their bytes, that the dispatch gets without reading them. */
const HANDED_OVER_BATCHES = 100;
const HANDED_OVER_BYTES = 262_144;

/** Maximum number of bytes that a match adds to a row, whose size as it was sent is checked before: an id or a fault. */
const MATCH_BYTES = 8_192;

/** The batches of an upload as they are stored. */
interface Staged {
  readonly total: number;
  readonly batchCount: number;
  readonly input: SentForm | undefined;
  /** All batches of a small upload; empty for a larger one. */
  readonly batches: readonly StagedBatchDocument[];
}

/** Thrown when an upload took so long between two writes that it counted as broken off. */
export class StagingExpiredError extends CodedError {
  constructor(actionId: string) {
    super('STAGING_EXPIRED', `the upload of action ${actionId} made no progress for too long`, {
      retryable: true,
    });
  }
}

/**
 * Stores the entities of an action before it is accepted (G1).
 *
 * The action's document comes first, with status `staging`, which no API shows. Its batches follow,
 * then one atomic update to `pending`. That update is the acceptance: before it the action does not
 * exist for any client. What a broken-off upload leaves is removed here or by the janitor, whose
 * claim on the document excludes the acceptance.
 */
export class StagingArea {
  readonly #database: Database;
  readonly #options: StagingOptions;
  readonly #log: Logger;
  readonly #dispatch: DirectDispatch | undefined;

  /** @param dispatch takes accepted actions at once; without it they wait to be found. */
  constructor(database: Database, options: StagingOptions, log: Logger, dispatch?: DirectDispatch) {
    this.#database = database;
    this.#options = options;
    this.#log = log;
    this.#dispatch = dispatch;
  }

  /**
   * Stages all entities and accepts the action. If it throws, nothing is left behind.
   *
   * @param idempotency the key is stored with the first write, the digest with the acceptance.
   * @param quota takes room for the action and its rows; absent if the account has no quota.
   * @param atAcceptance returns what the acceptance stores. It is called after the last entity.
   * @throws InvalidInputError if an entity is too large, or there is none; QuotaExceededError;
   * StoreError; what `entities` throws.
   */
  async stage(
    draft: ActionDraft,
    entities: Iterable<IncomingRow> | AsyncIterable<IncomingRow>,
    idempotency?: IdempotencyKey,
    quota?: QuotaClaim,
    atAcceptance: AtAcceptance = () => ({}),
  ): Promise<ActionDocument> {
    const { actionId } = draft.identity;
    const isDue = draft.scheduledFor === null;
    if (isDue) this.#dispatch?.expect();
    const document = this.#newAction(draft, idempotency?.key);
    await stored(this.#database.actions.insertOne(document));
    let lease: FirstLease | undefined;
    let staged: Staged | undefined;
    const pulse = mayBeSilent(draft) ? this.#pulse(actionId) : undefined;
    try {
      await quota?.open();
      staged = await this.#stageBatches(draft, entities, quota, document.updatedAt);
      clearInterval(pulse);
      // A filter may match nothing.
      if (staged.total === 0 && draft.filter === undefined) throw noEntities();
      const digest = idempotency?.digest();
      lease = isDue && staged.total > 0 ? this.#dispatch?.firstLease() : undefined;
      const action = await this.#accept(actionId, staged, atAcceptance(), digest, lease);
      lease?.begin(action, staged.batches);
      await quota?.settle(true);
      return action;
    } catch (error) {
      const accepted = await this.#discard(actionId, error);
      if (accepted !== undefined && accepted.dispatch.lease?.owner === lease?.owner) {
        lease?.begin(accepted, staged?.batches ?? []);
      }
      await quota?.settle(accepted !== undefined);
      if (accepted === undefined) throw error;
      return accepted;
    } finally {
      clearInterval(pulse);
      lease?.cancel();
    }
  }

  async #stageBatches(
    { identity, matchBy }: ActionDraft,
    entities: Iterable<IncomingRow> | AsyncIterable<IncomingRow>,
    quota: QuotaClaim | undefined,
    insertedAt: Date,
  ): Promise<Staged> {
    const { batchSize, partitions, groupBatches, bufferBytes, maxEntityBytes } = this.#options;
    const maxRowBytes = maxEntityBytes + (matchBy === undefined ? 0 : MATCH_BYTES);
    const batcher = new Batcher<StagedEntity>({
      entityType: identity.entityType,
      partitions,
      batchSize,
      maxBatchBytes: MAX_BATCH_BYTES,
    });
    const form = new FormOfInput();
    let group: Batch<StagedEntity>[] = [];
    let total = 0;
    let held = 0;
    let unclaimed = { rows: 0, bytes: 0 };
    let isFirst = true;
    let size = 0;
    let batches: StagedBatchDocument[] = [];
    const write = async (): Promise<void> => {
      // Before the write, so that nothing without room is stored.
      await quota?.add(unclaimed.rows, unclaimed.bytes);
      unclaimed = { rows: 0, bytes: 0 };
      for (const some of chunksOf(group, groupBatches)) {
        if (!isFirst || !this.#isFresh(insertedAt)) await this.#signOfLife(identity.actionId);
        isFirst = false;
        const documents = some.map((batch) => toStagedBatch(identity.actionId, batch));
        await stored(this.#database.stagedBatches.insertMany(documents, { ordered: false }));
        const isSmall = size <= HANDED_OVER_BYTES && batcher.batchCount <= HANDED_OVER_BATCHES;
        batches = isSmall ? [...batches, ...documents] : [];
      }
      group = [];
      held = batcher.openBytes;
    };
    for await (const incoming of entities) {
      const sent = checkedRowSize(incoming, total, maxRowBytes);
      const entity = toStagedEntity(total, incoming);
      const bytes = sent + Buffer.byteLength(entity.source ?? '');
      form.add(incoming, entity);
      total += 1;
      held += bytes;
      size += bytes;
      unclaimed.rows += 1;
      unclaimed.bytes += bytes;
      const closed = batcher.add(entity, bytes);
      if (closed !== undefined) group.push(closed);
      if (held >= bufferBytes) group.push(...batcher.flush());
      if (group.length >= groupBatches || held >= bufferBytes) await write();
    }
    group.push(...batcher.flush());
    await write();
    return { total, batchCount: batcher.batchCount, batches, input: form.form };
  }

  #isFresh(insertedAt: Date): boolean {
    const age = this.#options.now().getTime() - insertedAt.getTime();
    return age >= 0 && age < SIGN_OF_LIFE_MS;
  }

  /**
   * Shows from time to time that the upload is alive, until the timer is cleared. It needs this if its source may be read
   * for long without a row to write; see `mayBeSilent`.
   */
  #pulse(actionId: string): NodeJS.Timeout {
    let isOpen = false;
    const beat = async (): Promise<void> => {
      if (isOpen) return;
      isOpen = true;
      // The next write or the acceptance finds what is wrong.
      await this.#signOfLife(actionId).catch(() => undefined);
      isOpen = false;
    };
    return setInterval(() => void beat(), this.#options.pulseMs);
  }

  /**
   * Shows that the upload is alive, before its batches are written, so that the janitor does not
   * take them for those of a dead upload.
   *
   * @throws StagingExpiredError if the upload counts as broken off; StoreError.
   */
  async #signOfLife(actionId: string): Promise<void> {
    const alive = await stored(
      this.#database.actions.updateOne(
        { _id: actionId, ...unclaimedUpload() },
        { $set: { updatedAt: this.#options.now() } },
      ),
    );
    if (alive.matchedCount === 0) throw new StagingExpiredError(actionId);
  }

  async #accept(
    actionId: string,
    { total, batchCount, input }: Staged,
    given: AcceptedFacts,
    digest: string | undefined,
    lease: FirstLease | undefined,
  ): Promise<ActionDocument> {
    const now = this.#options.now();
    const facts: AcceptedFacts = { ...given, ...(input === undefined ? {} : { input }) };
    const literals = Object.entries(facts).map(([name, value]) => [name, { $literal: value }]);
    const stages = [
      ...acceptance({ total, batchCount }, digest, now),
      ...(literals.length === 0 ? [] : [{ $set: Object.fromEntries(literals) as Document }]),
      ...(lease?.stages ?? []),
    ];
    const accepted = await stored(
      this.#database.actions.findOneAndUpdate({ _id: actionId, ...unclaimedUpload() }, stages, {
        returnDocument: 'after',
      }),
    ).catch((error: unknown) => {
      // The only unique index that an acceptance can violate is that of the chain of retries.
      throw isKeyTaken(error) ? retryInProgress() : error;
    });
    if (accepted === null) throw new StagingExpiredError(actionId);
    return accepted;
  }

  /**
   * Removes what was staged. What cannot be removed now is left to the janitor.
   *
   * @returns the action if it was accepted after all, because only the answer of the update was
   * lost.
   */
  async #discard(actionId: string, cause: unknown): Promise<ActionDocument | undefined> {
    const { lateWriteMs, now } = this.#options;
    // A write without an answer may still arrive. Then the janitor looks again later.
    const late = cause instanceof StoreError;
    const until = instantAfter(now(), late ? lateWriteMs : 0);
    try {
      const claimed = await this.#database.actions.updateOne(
        { _id: actionId, status: STAGING },
        { $set: claimingUpload({ reason: 'refused', until }) },
      );
      if (claimed.matchedCount === 0) {
        const found = await this.#database.actions.findOne({ _id: actionId });
        if (found !== null) return found;
      }
      // Even if the janitor was faster: a batch may have arrived after its removal.
      await removeStagedBatches(this.#database, actionId);
      if (!late) await this.#database.actions.deleteOne({ _id: actionId, status: STAGING });
    } catch (error) {
      this.#log.warn({ actionId, err: error }, 'Refused upload left to the janitor');
    }
    return undefined;
  }

  #newAction({ identity, callbackUrl, ...draft }: ActionDraft, key: string | undefined): ActionDocument {
    const now = this.#options.now();
    const { actionId, ...rest } = identity;
    const traceparent = currentTraceparent();
    return {
      _id: actionId,
      ...rest,
      ...draft,
      ...(callbackUrl === undefined ? {} : { callback: newCallback(callbackUrl, now) }),
      ...(key === undefined ? {} : { idempotency: { key, digest: null } }),
      ...(traceparent === undefined ? {} : { traceparent }),
      ...stagedFields(now),
    };
  }
}

function toStagedEntity(position: number, incoming: IncomingRow): StagedEntity {
  const origin = originOf(incoming);
  const source = sourceOf(incoming);
  return {
    ...toEntity(position, incoming),
    ...(origin === undefined ? {} : { origin }),
    ...(source === undefined ? {} : { source: source.text }),
  };
}

/**
 * Returns whether the rows of an action are chosen from more that is read: by a filter, from the failures of the action
 * that it retries, or from the successes of the one that it undoes. The reads are bounded (FILTER_TIMEOUT_MS, the idle
 * time-out of a body, the logs of one action), so a dead request still ends.
 */
function mayBeSilent({ filter, retryOf, undoOf }: ActionDraft): boolean {
  return filter !== undefined || retryOf !== null || undoOf !== undefined;
}

function toStagedBatch(
  actionId: string,
  { batchNo, partition, entities }: Batch<StagedEntity>,
): StagedBatchDocument {
  const origins = entities.flatMap(({ origin }) => origin ?? []);
  const sources = entities.map(({ source }) => source ?? null);
  return {
    _id: `${actionId}:${batchNo}`,
    actionId,
    batchNo,
    partition,
    entities: encodeEntities(entities),
    ...(origins.length === 0 ? {} : { origins }),
    ...(entities.some(({ source }) => source !== undefined) ? { sources } : {}),
  };
}

function noEntities(): InvalidInputError {
  return new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [
    { field: 'entities', message: 'expected at least one entity' },
  ]);
}
