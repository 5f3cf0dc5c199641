import { stored, type Database } from '@bulk/mongo';
import type { Collection } from 'mongodb';
import type { Letter } from './letter.ts';

/** `replaying`: a replay was started, and may have been broken off before or after it was sent. */
export type MarkState = 'replaying' | 'replayed' | 'dropped';

/** A document of the collection `dead_letter_marks`: what was done with a dead letter. */
export interface MarkDocument {
  /** `partition:offset` in the topic of dead letters. */
  readonly _id: string;
  readonly state: MarkState;
  readonly at: Date;
  /** The generation of the last replay; `null` if there was none. */
  readonly generation: number | null;
  /**
   * When the dead letter was written. Distinguishes it from one in the same place of a topic that
   * was created again.
   */
  readonly failedAt: number;
}

/** Stores in MongoDB what was done with dead letters. */
export class Marks {
  readonly #marks: Collection<MarkDocument>;

  constructor(database: Database) {
    this.#marks = database.db.collection('dead_letter_marks');
  }

  /** Reads the marks of these dead letters. @throws StoreError. */
  async of(letters: readonly Letter[]): Promise<Map<string, MarkDocument>> {
    const failedAt = new Map(letters.map(({ id, content }) => [id, content.failedAt]));
    const marks = await stored(this.#marks.find({ _id: { $in: [...failedAt.keys()] } }).toArray());
    return new Map(
      marks.filter((mark) => failedAt.get(mark._id) === mark.failedAt).map((mark) => [mark._id, mark]),
    );
  }

  /** Sets the mark of a dead letter. Idempotent. @throws StoreError. */
  async set({ id, content }: Letter, state: MarkState, generation: number | null, at: Date): Promise<void> {
    const { failedAt } = content;
    await stored(
      this.#marks.updateOne({ _id: id }, { $set: { state, generation, at, failedAt } }, { upsert: true }),
    );
  }
}
