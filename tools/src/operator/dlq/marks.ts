import { stored, type Database, type DeadLetterMarkDocument } from '@bulk/mongo';
import type { Collection } from 'mongodb';
import type { Letter } from './letter.ts';

export type MarkDocument = DeadLetterMarkDocument;
export type MarkState = MarkDocument['state'];

/** Stores in MongoDB what was done with dead letters. */
export class Marks {
  readonly #marks: Collection<MarkDocument>;

  constructor(database: Database) {
    this.#marks = database.deadLetterMarks;
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
