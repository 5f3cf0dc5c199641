/** How far a consumer is behind in one partition, as of now. */
export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  /** Messages from the position to the end of the log; undefined while one of the two is not known. */
  readonly messages: number | undefined;
  /** Age of the oldest message that is due and not processed, in seconds; 0: there is none. */
  readonly seconds: number;
}

interface Progress {
  /** Offset of the next message to be processed. */
  position: number | undefined;
  /** Offset of the next message that will be appended, as last heard of. */
  end: number | undefined;
  /** From when on the message at the position has been due, in ms since the epoch; undefined where it was not seen. */
  headSince: number | undefined;
  /** The same of the last message that was processed: what comes behind it is not older. */
  lastSince: number;
  /** When all was processed, as far as was known, for the last time; in ms since the epoch. */
  caughtUpAt: number;
}

/**
 * How far a consumer is behind in the partitions that are its own now. The seconds grow by themselves while a message is
 * worked on or waits, also where nothing is heard any more; a partition that was given away is not there any more.
 *
 * What a fetch told of the end of a log is as old as the fetch, hence `reached`, which a LagProbe tells from the broker.
 */
export class ConsumerLag {
  readonly #now: () => number;
  readonly #partitions = new Map<string, Map<number, Progress>>();

  /** @param now in ms since the epoch; ages are told by it and by the clocks of those who produced. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** The group has given these partitions, and no others; of those that were there before, what is known is kept. */
  assigned(partitions: Readonly<Record<string, readonly number[]>>): void {
    const before = new Map(this.#partitions);
    this.#partitions.clear();
    for (const [topic, numbers] of Object.entries(partitions)) {
      const known = before.get(topic);
      this.#partitions.set(topic, new Map(numbers.map((n) => [n, known?.get(n) ?? this.#unknown()])));
    }
  }

  /** The member has no partitions any more, or nobody knows whether it has. */
  clear(): void {
    this.#partitions.clear();
  }

  /** The message at `position` was fetched and is to be processed, from `since` on; in ms since the epoch. */
  atHead(topic: string, partition: number, position: number, since: number, end: number): void {
    const progress = this.#of(topic, partition);
    if (progress === undefined) return;
    Object.assign(progress, { position, headSince: since, end: Math.max(end, progress.end ?? 0) });
  }

  /** All below `position` is processed; the last of it had been due since `lastSince`, in ms since the epoch. */
  processed(topic: string, partition: number, position: number, lastSince: number): void {
    const progress = this.#of(topic, partition);
    if (progress === undefined) return;
    Object.assign(progress, { position, headSince: undefined, lastSince });
    this.#noteCaughtUp(progress);
  }

  /** The end of a partition's log as of now. */
  reached(topic: string, partition: number, end: number): void {
    const progress = this.#of(topic, partition);
    if (progress === undefined) return;
    // An answer that was under way for a while may be older than what was fetched.
    progress.end = Math.max(end, progress.position ?? 0);
    this.#noteCaughtUp(progress);
  }

  /** Where processing begins in a partition of which nothing has been fetched yet. */
  beginsAt(topic: string, partition: number, position: number): void {
    const progress = this.#of(topic, partition);
    if (progress === undefined || progress.position !== undefined) return;
    progress.position = position;
    this.#noteCaughtUp(progress);
  }

  /** The topics of which there are partitions. */
  get topics(): string[] {
    return [...this.#partitions].filter(([, numbers]) => numbers.size > 0).map(([topic]) => topic);
  }

  /** Whether the position in a partition of the topic is not known yet. */
  lacksPosition(topic: string): boolean {
    return [...(this.#partitions.get(topic)?.values() ?? [])].some(({ position }) => position === undefined);
  }

  read(): PartitionLag[] {
    const now = this.#now();
    return [...this.#partitions].flatMap(([topic, numbers]) =>
      [...numbers].map(([partition, progress]) => ({
        topic,
        partition,
        messages: messagesOf(progress),
        seconds: Math.max(0, now - (oldestSince(progress) ?? now)) / 1_000,
      })),
    );
  }

  #of(topic: string, partition: number): Progress | undefined {
    return this.#partitions.get(topic)?.get(partition);
  }

  #noteCaughtUp(progress: Progress): void {
    if (messagesOf(progress) === 0) progress.caughtUpAt = this.#now();
  }

  #unknown(): Progress {
    return {
      position: undefined,
      end: undefined,
      headSince: undefined,
      lastSince: 0,
      caughtUpAt: this.#now(),
    };
  }
}

function messagesOf({ position, end }: Progress): number | undefined {
  return position === undefined || end === undefined ? undefined : Math.max(0, end - position);
}

/** Where the oldest was not seen, the earliest instant at which it can have come; undefined where there is none. */
function oldestSince(progress: Progress): number | undefined {
  if (progress.headSince !== undefined) return progress.headSince;
  if ((messagesOf(progress) ?? 0) === 0) return undefined;
  return Math.max(progress.lastSince, progress.caughtUpAt);
}
