import { CodedError } from '@bulk/domain';
import { LetterNotFoundError, matches, type Letter, type LetterFilter } from './letter.ts';
import type { MarkDocument, Marks } from './marks.ts';
import type { ReadOptions } from './read-letters.ts';
import { AlreadyMarkedError, type Replayed, type Replayer } from './replayer.ts';

/** A dead letter with what was done with it. */
export interface ListedLetter {
  readonly letter: Letter;
  readonly mark: MarkDocument | undefined;
}

/** The dead letters of a command: those named, or, if none is named, all open ones that match. */
export interface Selection {
  readonly ids: readonly string[];
  readonly filter: LetterFilter;
}

/** A dead letter that was left as it is, with the reason. */
export interface Refusal {
  readonly id: string;
  readonly code: string;
  readonly message: string;
}

export interface Done<T> {
  readonly done: readonly T[];
  readonly refused: readonly Refusal[];
}

/** Thrown when a command that changes dead letters does not say which ones. */
export class NothingSelectedError extends CodedError {
  constructor() {
    super(
      'NOTHING_SELECTED',
      'say which: <partition:offset>…, --action <id>, --code <code> or --service <name>',
    );
  }
}

export interface DeskOptions {
  /** Reads the current dead letters, some at a time. */
  readonly read: (options: ReadOptions) => Promise<void>;
  readonly marks: Marks;
  readonly replayer: Replayer;
  readonly now: () => Date;
}

/** Lists, shows, replays and drops dead letters. */
export class DeadLetterDesk {
  readonly #options: DeskOptions;

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  /**
   * Reads the dead letters that match, some at a time, because there may be more than fit into
   * memory.
   *
   * @param all includes those that were replayed or dropped.
   */
  list(
    filter: LetterFilter,
    all: boolean,
    take: (listed: readonly ListedLetter[]) => void | Promise<void>,
  ): Promise<void> {
    return this.#read(undefined, async (listed) => {
      const shown = listed.filter(({ letter, mark }) => matches(letter, filter) && (all || isOpen(mark)));
      if (shown.length > 0) await take(shown);
    });
  }

  /** @throws LetterNotFoundError. */
  async show(id: string): Promise<ListedLetter> {
    const [found] = await this.#named([id]);
    if (found === undefined) throw new LetterNotFoundError(id);
    return found;
  }

  /**
   * Replays dead letters in order, each by itself: a refused one does not stop the others.
   *
   * @param again includes those that were replayed or dropped.
   * @throws NothingSelectedError; LetterNotFoundError before anything is sent; what is not a
   * refusal (Kafka or MongoDB is unavailable).
   */
  replay(selection: Selection, again: boolean): Promise<Done<Replayed>> {
    const { replayer } = this.#options;
    return this.#each(selection, again, ({ letter, mark }) => replayer.replay(letter, mark, again));
  }

  /** Marks dead letters as dropped. They stay in their topic. @throws as `replay` does. */
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
    await this.#select(selection, marked, async (listed) => {
      try {
        done.push(await work(listed));
      } catch (error) {
        if (!(error instanceof CodedError) || error.retryable) throw error;
        refused.push({ id: listed.letter.id, code: error.code, message: error.message });
      }
    });
    return { done, refused };
  }

  async #select(
    { ids, filter }: Selection,
    marked: boolean,
    take: (listed: ListedLetter) => Promise<void>,
  ): Promise<void> {
    const filtered = Object.values(filter).some((value) => value !== undefined);
    if (ids.length === 0 && !filtered) throw new NothingSelectedError();
    if (ids.length === 0) {
      await this.list(filter, marked, async (listed) => {
        for (const one of listed) await take(one);
      });
      return;
    }
    // Every named dead letter must exist before anything is sent.
    for (const listed of await this.#named(ids)) if (matches(listed.letter, filter)) await take(listed);
  }

  /** Returns the dead letters in the order in which they are named. @throws LetterNotFoundError. */
  async #named(ids: readonly string[]): Promise<ListedLetter[]> {
    const wanted = new Set(ids);
    const found = new Map<string, ListedLetter>();
    await this.#read(wanted, (listed) => {
      for (const one of listed) found.set(one.letter.id, one);
      return Promise.resolve();
    });
    return [...wanted].map((id) => {
      const one = found.get(id);
      if (one === undefined) throw new LetterNotFoundError(id);
      return one;
    });
  }

  #read(
    ids: ReadonlySet<string> | undefined,
    take: (listed: readonly ListedLetter[]) => Promise<void>,
  ): Promise<void> {
    const { read, marks } = this.#options;
    return read({
      ids,
      take: async (letters) => {
        const known = await marks.of(letters);
        await take(letters.map((letter) => ({ letter, mark: known.get(letter.id) })));
      },
    });
  }
}

function isOpen(mark: MarkDocument | undefined): boolean {
  return mark === undefined || mark.state === 'replaying';
}
