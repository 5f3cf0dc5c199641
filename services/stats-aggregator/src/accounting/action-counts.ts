import {
  ACCEPTED,
  counted,
  fits,
  PROGRESS_PROJECTION,
  StoreError,
  type ActionDocument,
  type Database,
  type ProgressDocument,
} from '@bulk/mongo';
import type { Delta } from './counting.ts';

/** The fields of an action that counting and its progress events need. */
export type CountedAction = ProgressDocument &
  Pick<ActionDocument, 'batchCount' | 'countedBatches' | 'codes' | 'applied' | 'scheduledFor' | 'createdAt'>;

const PROJECTION = {
  ...PROGRESS_PROJECTION,
  batchCount: 1,
  countedBatches: 1,
  codes: 1,
  applied: 1,
  scheduledFor: 1,
  createdAt: 1,
} as const satisfies Record<Exclude<keyof CountedAction, '_id'>, 1>;

/** Reads and updates the counts and the status of actions in MongoDB. */
export class ActionCounts {
  readonly #database: Database;
  readonly #now: () => Date;

  constructor(database: Database, now: () => Date) {
    this.#database = database;
    this.#now = now;
  }

  /** Reads the accepted actions among `ids`. @throws StoreError. */
  async find(ids: readonly string[]): Promise<Map<string, CountedAction>> {
    try {
      const found = await this.#database.actions
        .find<CountedAction>({ _id: { $in: [...ids] }, ...ACCEPTED }, { projection: PROJECTION })
        .toArray();
      return new Map(found.map((action) => [action._id, action]));
    } catch (error) {
      throw new StoreError(error);
    }
  }

  /**
   * Adds a delta in one atomic update that also moves the status.
   *
   * The status becomes `processing` at the first outcome, and `completed` when every position has
   * one. A final status stays, even if a replay changes the counts; the version rises all the same.
   * The update is fenced on the offsets that the delta was computed from, and on the positions that
   * are left. The same update ends the postponement of the batches, so that neither a crash nor a
   * redelivery leaves one behind.
   *
   * @param partition partition of the results topic.
   * @param appliedBefore what the action had applied of that partition when the delta was computed.
   * @returns the action afterwards; `undefined` if another instance has counted in the meantime, or
   * the delta exceeds what is left: read and compute again.
   * @throws StoreError.
   */
  async add(
    actionId: string,
    partition: number,
    appliedBefore: number | undefined,
    delta: Delta,
  ): Promise<CountedAction | undefined> {
    const field = `applied.${partition}`;
    const others = Object.entries(delta.otherPartitions ?? {});
    try {
      const after = await this.#database.actions.findOneAndUpdate(
        {
          _id: actionId,
          ...Object.fromEntries(others.map(([other, applied]) => [`applied.${other}`, fence(applied)])),
          [field]: fence(appliedBefore),
          ...fits(delta.tally),
        },
        counted({ ...delta, upTo: { partition, offset: delta.applied } }, delta.settled ?? [], this.#now()),
        { returnDocument: 'after', projection: PROJECTION },
      );
      return after ?? undefined;
    } catch (error) {
      throw new StoreError(error);
    }
  }
}

function fence(applied: number | undefined): unknown {
  return applied === undefined ? { $exists: false } : applied;
}
