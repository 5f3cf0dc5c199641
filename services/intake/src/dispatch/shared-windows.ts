import type { Lane } from '@bulk/domain';
import { DUPLICATE_KEY, StoreError, type Database, type DispatchLaneDocument } from '@bulk/mongo';
import { MongoBulkWriteError } from 'mongodb';
import type { Measured } from './lane-window.ts';

/**
 * Age up to which a measurement of another instance is used, in ms. Clocks must agree within
 * seconds.
 */
const MAX_AGE_MS = 30_000;

/**
 * Shares the windows of the lanes among the instances of intake.
 *
 * A document per lane holds the last measurement. An instance that has just started continues from
 * the others' windows instead of the smallest window.
 */
export class SharedWindows {
  readonly #database: Database;
  readonly #now: () => Date;
  /** Lane → time of the last measurement seen, in ms since the epoch. */
  readonly #seen = new Map<Lane, number>();

  constructor(database: Database, now: () => Date) {
    this.#database = database;
    this.#now = now;
  }

  /**
   * Reads what other instances have measured since the last call, and shares the measurements of
   * this instance.
   *
   * @param by name of this instance.
   * @param takeMeasured returns what this instance has measured of a lane. Called only for lanes
   * that no other instance has measured.
   * @returns the measurements to adopt.
   * @throws StoreError.
   */
  async exchange(
    by: string,
    lanes: readonly Lane[],
    takeMeasured: (lane: Lane) => Measured | undefined,
  ): Promise<Map<Lane, Measured>> {
    try {
      const found = await this.#database.dispatchLanes.find({ _id: { $in: [...lanes] } }).toArray();
      const adopted = new Map(
        found.filter((one) => this.#isNews(one, by)).map(({ _id, ...measured }) => [_id, measured]),
      );
      await this.#write(
        by,
        lanes.filter((lane) => !adopted.has(lane)),
        takeMeasured,
      );
      return adopted;
    } catch (error) {
      throw new StoreError(error);
    }
  }

  #isNews({ _id, by, at }: DispatchLaneDocument, self: string): boolean {
    const seen = this.#seen.get(_id);
    this.#seen.set(_id, at.getTime());
    const age = this.#now().getTime() - at.getTime();
    return by !== self && seen !== at.getTime() && age < MAX_AGE_MS;
  }

  async #write(
    by: string,
    lanes: readonly Lane[],
    takeMeasured: (lane: Lane) => Measured | undefined,
  ): Promise<void> {
    const at = this.#now();
    const writes = lanes.flatMap((_id) => {
      const measured = takeMeasured(_id);
      if (measured === undefined) return [];
      return [{ updateOne: { filter: { _id }, update: { $set: { ...measured, by, at } }, upsert: true } }];
    });
    if (writes.length === 0) return;
    try {
      await this.#database.dispatchLanes.bulkWrite(writes, { ordered: false });
    } catch (error) {
      // Another instance has inserted the document at the same time. Its measurement is as good.
      if (!(error instanceof MongoBulkWriteError) || error.code !== DUPLICATE_KEY) throw error;
    }
  }
}
