import type { EncodedEntity } from '@bulk/contracts';

/** A batch that waits for its publication. */
export interface StagedBatch {
  readonly batchNo: number;
  readonly partition: number;
  readonly entities: readonly EncodedEntity[];
  /** For a retry: the position of each entity in the first action of its chain. */
  readonly origins?: readonly number[];
}

/** Reads of a staged batch only what is published. */
export const PUBLISHED = { projection: { batchNo: 1, partition: 1, entities: 1, origins: 1 } } as const;

/** Limits of what one read of a window returns. The first batch is always read. */
export interface WindowLimits {
  readonly batches: number;
  /** Bytes of the entities and of the overhead of each batch. */
  readonly bytes: number;
}

/** Returns the size of a batch's entities, in bytes. */
export function bytesOf({ entities }: StagedBatch): number {
  return entities.reduce(
    (sum, { id, ref, fields }) =>
      sum + Buffer.byteLength(fields) + Buffer.byteLength(id) + Buffer.byteLength(ref ?? ''),
    0,
  );
}
