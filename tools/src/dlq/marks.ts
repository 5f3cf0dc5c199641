import { stored, type Database } from '@bulk/mongo';
import type { Collection } from 'mongodb';
import type { Letter } from './letter.ts';

/** `replaying`: a replay was begun, and may have been broken off before or after it was sent. */
export type MarkState = 'replaying' | 'replayed' | 'dropped';

/** Collection `dead_letter_marks`: what became of a dead letter. */
export interface MarkDocument {
  /** `partition:offset` in the topic of dead letters. */
  readonly _id: string;
  readonly state: MarkState;
  readonly at: Date;
  /** The generation of the last replay; null where there was none. */
  readonly generation: number | null;
  /** When its letter was given up: tells it from one in the same place of a topic that was created anew. */
  readonly failedAt: number;
}

/** What was done with dead letters, in MongoDB. */
export class Marks {
  readonly #marks: Collection<MarkDocument>;

  constructor(database: Database) {
    this.#marks = database.db.collection('dead_letter_marks');
  }

  /** The marks of these letters. @throws StoreError. */
  async of(letters: readonly Letter[]): Promise<Map<string, MarkDocument>> {
    const failedAt = new Map(letters.map(({ id, content }) => [id, content.failedAt]));
    const marks = await stored(this.#marks.find({ _id: { $in: [...failedAt.keys()] } }).toArray());
    return new Map(
      marks.filter((mark) => failedAt.get(mark._id) === mark.failedAt).map((mark) => [mark._id, mark]),
    );
  }

  /** Idempotent. @throws StoreError. */
  async set({ id, content }: Letter, state: MarkState, generation: number | null, at: Date): Promise<void> {
    const { failedAt } = content;
    await stored(
      this.#marks.updateOne({ _id: id }, { $set: { state, generation, at, failedAt } }, { upsert: true }),
    );
  }
}
