/** The lag of a consumer in one partition, as of now. */
export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  /** Number of messages from the position to the end of the log; undefined while one of the two is unknown. */
  readonly messages: number | undefined;
  /** Age of the oldest message that is due and not processed, in seconds; 0 if there is none. */
  readonly seconds: number;
}

interface Progress {
  /** Offset of the next message to be processed. */
  position: number | undefined;
  /** Offset of the next message to be appended, as last reported. */
  end: number | undefined;
  /** When the message at the position became due, in ms since the epoch; undefined if it was not fetched. */
  headSince: number | undefined;
  /** When the last processed message became due, in ms since the epoch. Later messages are not older. */
  lastSince: number;
  /** When every known message was processed for the last time, in ms since the epoch. */
  caughtUpAt: number;
}

/**
 * Measures the lag of a consumer in the partitions that it owns now. The seconds grow by themselves while a message is
 * processed or waits, also while there is no news from Kafka. A partition that the consumer loses disappears.
 *
 * The end of a log that a fetch reports is as old as the fetch. `reached` takes the newer one that a LagProbe gets from
 * the broker.
 */
export class ConsumerLag {
  readonly #now: () => number;
  readonly #partitions = new Map<string, Map<number, Progress>>();

  /** @param now in ms since the epoch. Ages come from this clock and from the clocks of the producers. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /**
   * Takes the partitions that the group has assigned, and no others. The progress of partitions that were kept is kept.
   */
  assigned(partitions: Readonly<Record<string, readonly number[]>>): void {
    const before = new Map(this.#partitions);
    this.#partitions.clear();
    for (const [topic, numbers] of Object.entries(partitions)) {
      const known = before.get(topic);
      this.#partitions.set(topic, new Map(numbers.map((n) => [n, known?.get(n) ?? this.#unknown()])));
    }
  }

  /** Forgets all partitions: the member has none, or their owner is unknown. */
  clear(): void {
    this.#partitions.clear();
  }

  /** Records that the message at `position` was fetched and is due since `since`, in ms since the epoch. */
  atHead(topic: string, partition: number, position: number, since: number, end: number): void {
    const progress = this.#of(topic, partition);
    if (progress === undefined) return;
    Object.assign(progress, { position, headSince: since, end: Math.max(end, progress.end ?? 0) });
  }

  /**
   * Records that all messages below `position` are processed. The last of them was due since `lastSince`, in ms since
   * the epoch.
   */
  processed(topic: string, partition: number, position: number, lastSince: number): void {
    const progress = this.#of(topic, partition);
    if (progress === undefined) return;
    Object.assign(progress, { position, headSince: undefined, lastSince });
    this.#noteCaughtUp(progress);
  }

  /** Records the current end of a partition's log. */
  reached(topic: string, partition: number, end: number): void {
    const progress = this.#of(topic, partition);
    if (progress === undefined) return;
    // A delayed answer may be older than the last fetch.
    progress.end = Math.max(end, progress.position ?? 0);
    this.#noteCaughtUp(progress);
  }

  /** Records where processing starts in a partition of which nothing has been fetched yet. */
  beginsAt(topic: string, partition: number, position: number): void {
    const progress = this.#of(topic, partition);
    if (progress === undefined || progress.position !== undefined) return;
    progress.position = position;
    this.#noteCaughtUp(progress);
  }

  /** The topics with assigned partitions. */
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

/**
 * Returns when the oldest waiting message became due; the earliest possible time if it was not fetched; undefined if
 * there is none.
 */
function oldestSince(progress: Progress): number | undefined {
  if (progress.headSince !== undefined) return progress.headSince;
  if ((messagesOf(progress) ?? 0) === 0) return undefined;
  return Math.max(progress.lastSince, progress.caughtUpAt);
}
