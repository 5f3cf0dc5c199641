import type { EntityBatchContent } from '@bulk/contracts';

/**
 * Collects batches of which no two name the same entity, so that they can be applied at the same
 * time.
 *
 * An entity is identified by its type, account and id. Two copies of a batch name the same entities,
 * and so do two batches of an action in which an entity occurs twice.
 */
export class DisjointBatches {
  /** Entity type and account → ids of the entities that are taken. */
  readonly #taken = new Map<string, Set<string>>();
  readonly #batchIds = new Set<string>();

  /**
   * Adds a batch, unless it names an entity of a batch that was added before or is a copy of one.
   *
   * @returns whether the batch was added. A batch that was not added changes nothing.
   */
  add({
    identity,
    batchNo,
    entities,
  }: Pick<EntityBatchContent, 'identity' | 'batchNo' | 'entities'>): boolean {
    const { actionId, accountId, entityType } = identity;
    const batchId = `${actionId}:${batchNo}`;
    if (this.#batchIds.has(batchId)) return false;
    // No account id holds a colon.
    const key = `${accountId}:${entityType}`;
    const taken = this.#taken.get(key) ?? new Set();
    if (taken.size > 0 && entities.some(({ id }) => taken.has(id))) return false;
    for (const { id } of entities) taken.add(id);
    this.#taken.set(key, taken);
    this.#batchIds.add(batchId);
    return true;
  }
}
