import { encodeEntityBatch } from '@bulk/contracts';
import {
  Batcher,
  CodedError,
  InvalidInputError,
  toEntity,
  type ActionIdentity,
  type Batch,
  type Fields,
  type IncomingEntity,
} from '@bulk/domain';
import { StoreError, type ActionDocument, type Database, type StagedBatchDocument } from '@bulk/mongo';
import type { Logger } from '@bulk/runtime';

/** An action before its entities are there. */
export interface ActionDraft {
  readonly identity: ActionIdentity;
  readonly config: Fields;
  readonly scheduledFor: Date | null;
}

export interface StagingOptions {
  readonly batchSize: number;
  /** Partitions of the lane's topic. */
  readonly partitions: number;
  /** Batches per write: bounds what is held in memory, together with one open batch per partition. */
  readonly groupBatches: number;
  /** Largest JSON of one entity's fields, in bytes. */
  readonly maxEntityBytes: number;
  readonly now: () => Date;
}

/**
 * Largest batch, in bytes of its entities' JSON: far enough below MongoDB's 16 MB for a document and the topics' 8 MB for
 * a message.
 */
const MAX_BATCH_BYTES = 4_194_304;

/** Thrown when an upload took so long between two writes that it was taken for broken off. */
export class StagingExpiredError extends CodedError {
  constructor(actionId: string) {
    super('STAGING_EXPIRED', `the upload of action ${actionId} made no progress for too long`, {
      retryable: true,
    });
  }
}

/**
 * Takes the entities of an action in before it is accepted (G1).
 *
 * The action's document comes first, with status `staging`, which no API shows; then its batches; then one atomic update
 * to `pending`. That update is the acceptance: before it the action does not exist for anyone, and what a broken-off
 * upload leaves is removed, here or by the janitor, whose claim (a lease on the document) excludes the acceptance.
 */
export class StagingArea {
  readonly #database: Database;
  readonly #options: StagingOptions;
  readonly #log: Logger;

  constructor(database: Database, options: StagingOptions, log: Logger) {
    this.#database = database;
    this.#options = options;
    this.#log = log;
  }

  /**
   * Stages all entities and accepts the action. When it throws, nothing is left behind.
   *
   * @throws InvalidInputError when an entity is too large, or there is none; StoreError; what `entities` throws.
   */
  async stage(
    draft: ActionDraft,
    entities: Iterable<IncomingEntity> | AsyncIterable<IncomingEntity>,
  ): Promise<ActionDocument> {
    const { actionId } = draft.identity;
    await stored(this.#database.actions.insertOne(this.#newAction(draft)));
    try {
      const { total, batchCount } = await this.#stageBatches(draft.identity, entities);
      if (total === 0) throw noEntities();
      return await this.#accept(actionId, total, batchCount);
    } catch (error) {
      await this.#discard(actionId);
      throw error;
    }
  }

  async #stageBatches(
    identity: ActionIdentity,
    entities: Iterable<IncomingEntity> | AsyncIterable<IncomingEntity>,
  ): Promise<{ total: number; batchCount: number }> {
    const { batchSize, partitions, groupBatches } = this.#options;
    const batcher = new Batcher({
      entityType: identity.entityType,
      partitions,
      batchSize,
      maxBatchBytes: MAX_BATCH_BYTES,
    });
    let group: Batch[] = [];
    let total = 0;
    for await (const incoming of entities) {
      const entity = toEntity(total, incoming);
      const bytes = this.#sizeOf(entity.position, entity.fields);
      total += 1;
      const closed = batcher.add(entity, bytes);
      if (closed === undefined) continue;
      group.push(closed);
      if (group.length < groupBatches) continue;
      await this.#write(identity, group);
      group = [];
    }
    await this.#write(identity, [...group, ...batcher.flush()]);
    return { total, batchCount: batcher.batchCount };
  }

  #sizeOf(position: number, fields: Fields): number {
    const { maxEntityBytes } = this.#options;
    const bytes = Buffer.byteLength(JSON.stringify(fields));
    if (bytes <= maxEntityBytes) return bytes;
    throw new InvalidInputError('ENTITY_TOO_LARGE', 'an entity is too large', [
      { field: `entities[${position}]`, message: `expected at most ${maxEntityBytes} bytes, found ${bytes}` },
    ]);
  }

  async #write(identity: ActionIdentity, batches: readonly Batch[]): Promise<void> {
    const { actionId } = identity;
    for (let i = 0; i < batches.length; i += this.#options.groupBatches) {
      // First the sign of life, so that the janitor does not take the batches for those of a dead upload.
      const alive = await stored(
        this.#database.actions.updateOne(stagingBy(actionId), { $set: { updatedAt: this.#options.now() } }),
      );
      if (alive.matchedCount === 0) throw new StagingExpiredError(actionId);
      const documents = batches
        .slice(i, i + this.#options.groupBatches)
        .map((batch) => toStagedBatch(identity, batch));
      await stored(this.#database.stagedBatches.insertMany(documents, { ordered: false }));
    }
  }

  async #accept(actionId: string, total: number, batchCount: number): Promise<ActionDocument> {
    const now = this.#options.now();
    const accepted = await stored(
      this.#database.actions.findOneAndUpdate(
        stagingBy(actionId),
        { $set: { status: 'pending', total, batchCount, updatedAt: now }, $inc: { version: 1 } },
        { returnDocument: 'after' },
      ),
    );
    if (accepted === null) throw new StagingExpiredError(actionId);
    return accepted;
  }

  async #discard(actionId: string): Promise<void> {
    try {
      const claimed = await this.#database.actions.updateOne(
        { _id: actionId, status: 'staging' },
        { $set: { 'dispatch.lease': { owner: 'discard', until: this.#options.now() } } },
      );
      // Accepted after all: the update went through and its answer was lost. Then it stays.
      if (claimed.matchedCount === 0) return;
      await this.#database.stagedBatches.deleteMany({ actionId });
      await this.#database.actions.deleteOne({ _id: actionId, status: 'staging' });
    } catch (error) {
      this.#log.warn({ actionId, err: error }, 'a refused upload is left to the janitor');
    }
  }

  #newAction({ identity, config, scheduledFor }: ActionDraft): ActionDocument {
    const now = this.#options.now();
    const { actionId, ...rest } = identity;
    return {
      _id: actionId,
      ...rest,
      config,
      status: 'staging',
      version: 0,
      total: 0,
      batchCount: 0,
      counts: { success: 0, failure: 0, skipped: 0 },
      codes: {},
      applied: {},
      dispatch: { nextBatch: 0, done: false, lease: null },
      scheduledFor,
      createdAt: now,
      queuedAt: null,
      startedAt: null,
      finishedAt: null,
      updatedAt: now,
    };
  }
}

/** A staging action that nobody has claimed for removal. */
function stagingBy(actionId: string): { _id: string; status: 'staging'; 'dispatch.lease': null } {
  return { _id: actionId, status: 'staging', 'dispatch.lease': null };
}

function toStagedBatch(identity: ActionIdentity, batch: Batch): StagedBatchDocument {
  const { actionId, batchNo, entities } = encodeEntityBatch(identity, {}, batch);
  return { _id: `${actionId}:${batchNo}`, actionId, batchNo, partition: batch.partition, entities };
}

function noEntities(): InvalidInputError {
  return new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [
    { field: 'entities', message: 'expected at least one entity' },
  ]);
}

async function stored<T>(operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    throw new StoreError(error);
  }
}
