import { Consumption, type Kafka, type OffsetRange } from '@bulk/kafka';
import { deadLetterId, stored, type Database } from '@bulk/mongo';

/** The dead letters that no operator has replayed or dropped. */
export interface LettersWaiting {
  readonly count: number;
  /** When the oldest of them was written, to the minute; undefined if none waits. */
  readonly oldestAt: Date | undefined;
}

/** Number of marks that are read at once. */
const PAGE = 1_000;
/** Maximum number of dead letters whose marks one read looks up. Those beyond count as waiting. */
const MAX_LOOKED_UP = 100_000;
/** Precision of the time of a message, in ms. */
const PRECISION_MS = 60_000;

/**
 * Finds how many dead letters wait for an operator, and since when.
 *
 * It reads no message. The broker reports which offsets the topic holds, MongoDB which of them are
 * marked, and a binary search over the times that the broker knows finds when the oldest one was
 * written.
 */
export class WaitingLetters {
  readonly #kafka: Kafka;
  readonly #database: Database;
  readonly #topic: string;
  readonly #now: () => Date;
  /** Id of a dead letter → time of its message. It holds the ones that the last read asked for. */
  #times = new Map<string, number>();

  constructor(kafka: Kafka, database: Database, topic: string, now: () => Date) {
    this.#kafka = kafka;
    this.#database = database;
    this.#topic = topic;
    this.#now = now;
  }

  /** @throws kafkajs' error; StoreError. */
  async read(): Promise<LettersWaiting> {
    return Consumption.ask(this.#kafka, async (consumption) => {
      const known = this.#times;
      this.#times = new Map();
      let count = 0;
      let oldest: number | undefined;
      for (const range of await consumption.ranges(this.#topic)) {
        const timeOf = async (offset: number): Promise<number> => {
          const id = deadLetterId(range.partition, offset);
          const time = known.get(id) ?? (await this.#timeOf(range.partition, offset, consumption));
          this.#times.set(id, time);
          return time;
        };
        const { waiting, first } = await this.#waitingIn(range, timeOf);
        count += waiting;
        if (first !== undefined) oldest = Math.min(oldest ?? Number.POSITIVE_INFINITY, await timeOf(first));
      }
      return { count, oldestAt: oldest === undefined ? undefined : new Date(oldest) };
    });
  }

  async #waitingIn(
    { partition, low, high }: OffsetRange,
    timeOf: (offset: number) => Promise<number>,
  ): Promise<{ waiting: number; first: number | undefined }> {
    if (low >= high) return { waiting: 0, first: undefined };
    // Older marks belong to a topic that was deleted and created again.
    const since = (await timeOf(low)) - PRECISION_MS;
    const lookedUp = Math.min(high, low + MAX_LOOKED_UP);
    let waiting = high - lookedUp;
    let first = waiting > 0 ? lookedUp : undefined;
    for (let end = lookedUp; end > low; end -= PAGE) {
      const start = Math.max(low, end - PAGE);
      const offsets = Array.from({ length: end - start }, (_, i) => start + i);
      const settled = await this.#settled(partition, offsets, since);
      const open = offsets.filter((offset) => !settled.has(deadLetterId(partition, offset)));
      waiting += open.length;
      first = open[0] ?? first;
    }
    return { waiting, first };
  }

  async #settled(partition: number, offsets: readonly number[], since: number): Promise<Set<string>> {
    const ids = offsets.map((offset) => deadLetterId(partition, offset));
    const marks = await stored(
      this.#database.deadLetterMarks
        .find(
          { _id: { $in: ids }, state: { $in: ['replayed', 'dropped'] }, failedAt: { $gte: since } },
          { projection: { _id: 1 } },
        )
        .toArray(),
    );
    return new Set(marks.map(({ _id }) => _id));
  }

  /** Returns the time of a message, in ms since the epoch, rounded down by up to a minute. */
  async #timeOf(partition: number, offset: number, consumption: Consumption): Promise<number> {
    let since = 0;
    let before = this.#now().getTime() + PRECISION_MS;
    while (before - since > PRECISION_MS) {
      const middle = Math.floor((since + before) / 2);
      const first = await consumption.firstSince(this.#topic, middle);
      if ((first[String(partition)] ?? Number.POSITIVE_INFINITY) <= offset) since = middle;
      else before = middle;
    }
    return since;
  }
}
