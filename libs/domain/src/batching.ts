import type { Entity } from './entity.ts';
import { partitionOf } from './routing.ts';

/** The parts of an entity that decide about its batch. */
export type Routed = Pick<Entity, 'id' | 'position'>;

/** Up to `batchSize` entities of one action that share a partition and travel as one message. */
export interface Batch<E extends Routed = Entity> {
  /** 0-based, in the order in which batches were closed; ascends within each partition. */
  readonly batchNo: number;
  readonly partition: number;
  /** In ascending order of position. */
  readonly entities: readonly E[];
}

/**
 * Largest batch, in bytes of its entities' JSON.
 *
 * It is far enough below MongoDB's 16 MB for a document and the topics' 8 MB for a message.
 */
export const MAX_BATCH_BYTES = 4_194_304;

export interface BatcherOptions {
  readonly entityType: string;
  readonly partitions: number;
  /** Maximum number of entities per batch. */
  readonly batchSize: number;
  /** Maximum bytes per batch, as reported to `add`. A single entity may exceed it. Default: no limit. */
  readonly maxBatchBytes?: number;
}

interface OpenBatch<E> {
  readonly entities: E[];
  bytes: number;
}

/**
 * Sorts a stream of entities into batches by partition. It holds at most `partitions × batchSize` entities (and
 * `partitions × maxBatchBytes` bytes).
 *
 * Positions ascend within a batch and from batch to batch of a partition. So a read of an action's outcomes in order of
 * position merges one cursor per partition.
 */
export class Batcher<E extends Routed = Entity> {
  readonly #options: BatcherOptions;
  readonly #open = new Map<number, OpenBatch<E>>();
  #nextBatchNo = 0;
  #openBytes = 0;

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  /** Number of batches closed so far. */
  get batchCount(): number {
    return this.#nextBatchNo;
  }

  /** Bytes of the entities in open batches, as reported to `add`. */
  get openBytes(): number {
    return this.#openBytes;
  }

  /**
   * Adds the next entity. Returns the batch that it filled, or that had no room for it, if there is one.
   *
   * @param bytes size of the entity, counted against `maxBatchBytes`.
   */
  add(entity: E, bytes = 0): Batch<E> | undefined {
    const { entityType, partitions, batchSize, maxBatchBytes = Number.POSITIVE_INFINITY } = this.#options;
    const partition = partitionOf(entityType, routingIdOf(entity), partitions);
    const open = this.#open.get(partition);
    this.#openBytes += bytes;
    if (open !== undefined && open.bytes + bytes > maxBatchBytes) {
      // This branch needs a batch size above 1, so the entity cannot fill its new batch at once.
      const closed = this.#close(partition, open);
      this.#open.set(partition, { entities: [entity], bytes });
      return closed;
    }
    const batch: OpenBatch<E> = open ?? { entities: [], bytes: 0 };
    batch.entities.push(entity);
    batch.bytes += bytes;
    if (batch.entities.length >= batchSize) return this.#close(partition, batch);
    if (open === undefined) this.#open.set(partition, batch);
    return undefined;
  }

  /** Closes every open batch, in order of their first positions, and empties the batcher. */
  flush(): Batch<E>[] {
    return [...this.#open]
      .sort(([, a], [, b]) => firstPosition(a.entities) - firstPosition(b.entities))
      .map(([partition, batch]) => this.#close(partition, batch));
  }

  #close(partition: number, { entities, bytes }: OpenBatch<E>): Batch<E> {
    this.#open.delete(partition);
    this.#openBytes -= bytes;
    const batchNo = this.#nextBatchNo;
    this.#nextBatchNo += 1;
    return { batchNo, partition, entities };
  }
}

/** Returns what decides about the partition of an entity: its id. A position without an id may go to any partition. */
export function routingIdOf({ id, position }: Routed): string {
  return id === '' ? String(position) : id;
}

function firstPosition(entities: readonly Routed[]): number {
  return entities[0]?.position ?? Number.POSITIVE_INFINITY;
}
