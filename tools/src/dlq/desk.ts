import { CodedError } from '@bulk/domain';
import { LetterNotFoundError, matches, type Letter, type LetterFilter } from './letter.ts';
import type { MarkDocument, Marks } from './marks.ts';
import { AlreadyMarkedError, type Replayed, type Replayer } from './replayer.ts';

/** A letter with what became of it. */
export interface ListedLetter {
  readonly letter: Letter;
  readonly mark: MarkDocument | undefined;
}

/** Which letters a command is for: those named, or of those that are not dealt with yet all that match. */
export interface Selection {
  readonly ids: readonly string[];
  readonly filter: LetterFilter;
}

/** A letter that was left as it is, and why. */
export interface Refusal {
  readonly id: string;
  readonly code: string;
  readonly message: string;
}

export interface Done<T> {
  readonly done: readonly T[];
  readonly refused: readonly Refusal[];
}

/** Thrown when a command that changes something does not say of which letters. */
export class NothingSelectedError extends CodedError {
  constructor() {
    super(
      'NOTHING_SELECTED',
      'say which: <partition:offset>…, --action <id>, --code <code> or --service <name>',
    );
  }
}

export interface DeskOptions {
  /** All letters, as of now. */
  readonly read: () => Promise<Letter[]>;
  readonly marks: Marks;
  readonly replayer: Replayer;
  readonly now: () => Date;
}

/** What can be done with dead letters. */
export class DeadLetterDesk {
  readonly #options: DeskOptions;

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  /** @param all also what was replayed or dropped. */
  async list(filter: LetterFilter, all: boolean): Promise<ListedLetter[]> {
    const listed = await this.#read();
    return listed.filter(({ letter, mark }) => matches(letter, filter) && (all || isOpen(mark)));
  }

  /** @throws LetterNotFoundError. */
  async show(id: string): Promise<ListedLetter> {
    return find(await this.#read(), id);
  }

  /**
   * Replays in order, each by itself: one that is refused does not keep the others.
   *
   * @param again also what was replayed or dropped.
   * @throws NothingSelectedError; LetterNotFoundError before anything is sent; what is no refusal (Kafka or MongoDB is away).
   */
  replay(selection: Selection, again: boolean): Promise<Done<Replayed>> {
    const { replayer } = this.#options;
    return this.#each(selection, again, ({ letter, mark }) => replayer.replay(letter, mark, again));
  }

  /** Marks letters as dealt with; they stay where they are. @throws as `replay` does. */
  drop(selection: Selection): Promise<Done<{ id: string }>> {
    const { marks, now } = this.#options;
    return this.#each(selection, false, async ({ letter, mark }) => {
      if (mark?.state === 'replayed') throw new AlreadyMarkedError(letter.id, mark);
      if (mark?.state !== 'dropped') await marks.set(letter, 'dropped', mark?.generation ?? null, now());
      return { id: letter.id };
    });
  }

  async #each<T>(
    selection: Selection,
    marked: boolean,
    work: (listed: ListedLetter) => Promise<T>,
  ): Promise<Done<T>> {
    const done: T[] = [];
    const refused: Refusal[] = [];
    for (const listed of await this.#select(selection, marked)) {
      try {
        done.push(await work(listed));
      } catch (error) {
        if (!(error instanceof CodedError) || error.retryable) throw error;
        refused.push({ id: listed.letter.id, code: error.code, message: error.message });
      }
    }
    return { done, refused };
  }

  async #select({ ids, filter }: Selection, marked: boolean): Promise<ListedLetter[]> {
    const filtered = Object.values(filter).some((value) => value !== undefined);
    if (ids.length === 0 && !filtered) throw new NothingSelectedError();
    const all = await this.#read();
    if (ids.length === 0) {
      return all.filter(({ letter, mark }) => matches(letter, filter) && (marked || isOpen(mark)));
    }
    return [...new Set(ids)].map((id) => find(all, id)).filter(({ letter }) => matches(letter, filter));
  }

  async #read(): Promise<ListedLetter[]> {
    const letters = await this.#options.read();
    const marks = await this.#options.marks.of(letters);
    return letters.map((letter) => ({ letter, mark: marks.get(letter.id) }));
  }
}

function isOpen(mark: MarkDocument | undefined): boolean {
  return mark === undefined || mark.state === 'replaying';
}

function find(all: readonly ListedLetter[], id: string): ListedLetter {
  const found = all.find(({ letter }) => letter.id === id);
  if (found === undefined) throw new LetterNotFoundError(id);
  return found;
}
