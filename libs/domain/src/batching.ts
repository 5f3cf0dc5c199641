import type { Entity } from './entity.ts';
import { partitionOf } from './routing.ts';

/** Up to `batchSize` entities of one action that share a partition and travel as one message. */
export interface Batch {
  /** 0-based, in the order in which batches were closed; ascends within each partition. */
  readonly batchNo: number;
  readonly partition: number;
  /** In ascending order of position. */
  readonly entities: readonly Entity[];
}

export interface BatcherOptions {
  readonly entityType: string;
  readonly partitions: number;
  /** Entities per batch at most. */
  readonly batchSize: number;
}

/**
 * Sorts a stream of entities into batches by partition, holding at most `partitions × batchSize` entities.
 * Positions ascend within a batch and from batch to batch of a partition, so that a read of an action's outcomes in
 * order of position is a merge of one cursor per partition.
 */
export class Batcher {
  readonly #options: BatcherOptions;
  readonly #open = new Map<number, Entity[]>();
  #nextBatchNo = 0;

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  /** Batches closed so far. */
  get batchCount(): number {
    return this.#nextBatchNo;
  }

  /** Takes the next entity; returns the batch that it filled, if it filled one. */
  add(entity: Entity): Batch | undefined {
    const partition = partitionOf(this.#options.entityType, entity.id, this.#options.partitions);
    const open = this.#open.get(partition);
    if (open === undefined) {
      this.#open.set(partition, [entity]);
      return this.#options.batchSize === 1 ? this.#close(partition, [entity]) : undefined;
    }
    open.push(entity);
    return open.length >= this.#options.batchSize ? this.#close(partition, open) : undefined;
  }

  /** Closes every open batch, the one with the lowest first position first. The batcher is empty afterwards. */
  flush(): Batch[] {
    return [...this.#open]
      .sort(([, a], [, b]) => firstPosition(a) - firstPosition(b))
      .map(([partition, entities]) => this.#close(partition, entities));
  }

  #close(partition: number, entities: readonly Entity[]): Batch {
    this.#open.delete(partition);
    const batchNo = this.#nextBatchNo;
    this.#nextBatchNo += 1;
    return { batchNo, partition, entities };
  }
}

function firstPosition(entities: readonly Entity[]): number {
  return entities[0]?.position ?? Number.POSITIVE_INFINITY;
}
