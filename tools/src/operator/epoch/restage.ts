import { Batcher, CodedError, MAX_BATCH_BYTES, partitionOf, routingIdOf } from '@bulk/domain';
import type { ActionDocument, Database, StagedBatchDocument } from '@bulk/mongo';
import type { Collection } from 'mongodb';
import { UNSTARTED } from './undrained.ts';

/** An entity with what its batch holds of it in lists of their own. */
interface StagedEntity {
  readonly id: string;
  readonly position: number;
  readonly entity: StagedBatchDocument['entities'][number];
  readonly origin: number | undefined;
  readonly source: string | null | undefined;
}

/** Collection `restaged_actions`: actions whose batches were cut again, until the migration is complete. */
interface RestagedAction {
  readonly _id: string;
  readonly partitions: number;
  readonly batchCount: number;
  /** `copied`: the new batches are complete in `restaged_batches`. `done`: they have replaced the old ones. */
  readonly state: 'copied' | 'done';
}

/** Thrown when the staged batches of an action are not all there, or not cut for the new partitions. */
export class NotRestagedError extends CodedError {
  constructor(actionId: string, reason: string) {
    super('NOT_RESTAGED', `the staged batches of action ${actionId} ${reason}`);
  }
}

const INSERTED_AT_ONCE = 50;

/**
 * Cuts the staged batches of actions that have not started for another number of partitions.
 *
 * It may be killed at any time and repeated. The new batches of an action are complete in a collection of their own
 * before the old ones are removed.
 */
export class Restaging {
  readonly #database: Database;
  readonly #partitions: number;
  readonly #copies: Collection<StagedBatchDocument>;
  readonly #states: Collection<RestagedAction>;

  constructor(database: Database, partitions: number) {
    this.#database = database;
    this.#partitions = partitions;
    this.#copies = database.db.collection('restaged_batches');
    this.#states = database.db.collection('restaged_actions');
  }

  /** @returns the number of actions that were cut again. @throws the driver's error. */
  async run(signal: AbortSignal): Promise<number> {
    let count = 0;
    for await (const action of this.#database.actions.find(UNSTARTED)) {
      signal.throwIfAborted();
      await this.#restage(action);
      count += 1;
    }
    return count;
  }

  /** Checks the batches of every action that has not started. @throws NotRestagedError. */
  async verify(): Promise<void> {
    for await (const { _id, entityType, batchCount, total } of this.#database.actions.find(UNSTARTED)) {
      let batches = 0;
      let entities = 0;
      for await (const batch of this.#database.stagedBatches.find({ actionId: _id })) {
        batches += 1;
        entities += batch.entities.length;
        const astray = batch.entities.some(
          (entity) => partitionOf(entityType, routingIdOf(entity), this.#partitions) !== batch.partition,
        );
        if (astray) throw new NotRestagedError(_id, `are not cut for ${this.#partitions} partitions`);
      }
      if (batches !== batchCount || entities !== total)
        throw new NotRestagedError(
          _id,
          `hold ${entities} of ${total} positions in ${batches} of ${batchCount} batches`,
        );
    }
  }

  /** Removes what the work has left. */
  async forget(): Promise<void> {
    await this.#copies.deleteMany({});
    await this.#states.deleteMany({});
  }

  async #restage(action: ActionDocument): Promise<void> {
    const { _id: actionId } = action;
    const { stagedBatches, actions } = this.#database;
    const before = await this.#states.findOne({ _id: actionId, partitions: this.#partitions });
    if (before?.state === 'done') return;
    const batchCount = before?.batchCount ?? (await this.#copy(action));
    await stagedBatches.deleteMany({ actionId });
    await this.#insert(stagedBatches, this.#copies.find({ actionId }).sort({ batchNo: 1 }));
    await actions.updateOne(
      { _id: actionId },
      { $set: { batchCount }, $unset: { 'dispatch.mayBePublished': '', 'dispatch.window': '' } },
    );
    await this.#states.updateOne({ _id: actionId }, { $set: { state: 'done' } });
    await this.#copies.deleteMany({ actionId });
  }

  /** @returns the number of new batches. */
  async #copy({ _id: actionId, entityType }: ActionDocument): Promise<number> {
    await this.#copies.deleteMany({ actionId });
    const sizes = await this.#database.stagedBatches
      .aggregate<{ readonly size: number; readonly partitions: readonly number[] }>([
        { $match: { actionId } },
        {
          $group: {
            _id: null,
            size: { $max: { $size: '$entities' } },
            partitions: { $addToSet: '$partition' },
          },
        },
      ])
      .toArray();
    const { size = 1, partitions = [] } = sizes[0] ?? {};
    const batcher = new Batcher<StagedEntity>({
      entityType,
      partitions: this.#partitions,
      batchSize: size,
      maxBatchBytes: MAX_BATCH_BYTES,
    });
    const closed = async function* (
      entities: AsyncIterable<StagedEntity>,
    ): AsyncGenerator<StagedBatchDocument> {
      const documentOf = ({
        batchNo,
        partition,
        entities: own,
      }: ReturnType<typeof batcher.flush>[number]): StagedBatchDocument => ({
        _id: `${actionId}:${batchNo}`,
        actionId,
        batchNo,
        partition,
        entities: own.map(({ entity }) => entity),
        ...(own.some(({ origin }) => origin !== undefined)
          ? { origins: own.map(({ origin, position }) => origin ?? position) }
          : {}),
        ...(own.some(({ source }) => source !== undefined)
          ? { sources: own.map(({ source }) => source ?? null) }
          : {}),
      });
      for await (const staged of entities) {
        const { entity, source } = staged;
        const bytes = Buffer.byteLength(entity.fields) + entity.id.length + Buffer.byteLength(source ?? '');
        const batch = batcher.add(staged, bytes);
        if (batch !== undefined) yield documentOf(batch);
      }
      yield* batcher.flush().map(documentOf);
    };
    await this.#insert(this.#copies, closed(this.#byPosition(actionId, partitions)));
    const { batchCount } = batcher;
    await this.#states.replaceOne(
      { _id: actionId },
      { partitions: this.#partitions, batchCount, state: 'copied' },
      { upsert: true },
    );
    return batchCount;
  }

  /** Yields the entities of an action in the order of their positions, with one batch of each partition in memory. */
  async *#byPosition(actionId: string, partitions: readonly number[]): AsyncGenerator<StagedEntity> {
    const sources = partitions.map((partition) => this.#entitiesOf(actionId, partition));
    const heads = await Promise.all(sources.map((source) => source.next()));
    for (;;) {
      let least = -1;
      for (const [i, head] of heads.entries()) {
        const best = heads[least];
        if (head.done === true) continue;
        if (best === undefined || best.done === true || head.value.position < best.value.position) least = i;
      }
      const head = heads[least];
      const source = sources[least];
      if (head === undefined || head.done === true || source === undefined) return;
      yield head.value;
      heads[least] = await source.next();
    }
  }

  async *#entitiesOf(actionId: string, partition: number): AsyncGenerator<StagedEntity> {
    const batches = this.#database.stagedBatches
      .find({ actionId, partition })
      .sort({ batchNo: 1 })
      .batchSize(2);
    for await (const { entities, origins, sources } of batches) {
      for (const [i, entity] of entities.entries())
        yield {
          id: entity.id,
          position: entity.position,
          entity,
          origin: origins?.[i],
          source: sources?.[i],
        };
    }
  }

  async #insert(
    into: Collection<StagedBatchDocument>,
    batches: AsyncIterable<StagedBatchDocument>,
  ): Promise<void> {
    let waiting: StagedBatchDocument[] = [];
    const write = async (): Promise<void> => {
      if (waiting.length > 0) await into.insertMany(waiting, { ordered: false });
      waiting = [];
    };
    for await (const batch of batches) {
      waiting.push(batch);
      if (waiting.length >= INSERTED_AT_ONCE) await write();
    }
    await write();
  }
}
