/** An item with a position in its action. */
export interface Positioned {
  readonly position: number;
}

/** 1: ascending; -1: descending. */
export type Direction = 1 | -1;

/** The state of reading one source. */
interface Head<T> {
  readonly buckets: AsyncIterator<readonly T[]>;
  bucket: readonly T[];
  index: number;
}

/**
 * Merges sources into one, in order of position. Holds one bucket per source.
 *
 * Each source gives buckets in that order, within a bucket and from bucket to bucket. No position
 * is in two sources.
 *
 * @param after only items after this position in the order. @default all items
 */
export async function* mergeByPosition<T extends Positioned>(
  sources: readonly AsyncIterable<readonly T[]>[],
  after?: number,
  direction: Direction = 1,
): AsyncGenerator<T> {
  const start = after ?? -direction * Number.POSITIVE_INFINITY;
  const opened: Head<T>[] = sources.map((source) => ({
    buckets: source[Symbol.asyncIterator](),
    bucket: [],
    index: 0,
  }));
  try {
    const found = await Promise.all(opened.map((head) => advance(head, start, direction)));
    let heads = opened.filter((_, i) => found[i]);
    while (heads.length > 0) {
      const next = first(heads, direction);
      const item = next.bucket[next.index];
      if (item !== undefined) yield item;
      next.index += 1;
      if (!(await advance(next, start, direction))) heads = heads.filter((head) => head !== next);
    }
  } finally {
    for (const { buckets } of opened) await buckets.return?.();
  }
}

/** Moves to the next item after `after`. @returns `false` if the source has none. */
async function advance<T extends Positioned>(
  head: Head<T>,
  after: number,
  direction: Direction,
): Promise<boolean> {
  for (;;) {
    for (; head.index < head.bucket.length; head.index += 1) {
      if (direction * (positionOf(head) - after) > 0) return true;
    }
    const next = await head.buckets.next();
    if (next.done === true) return false;
    head.bucket = next.value;
    head.index = 0;
  }
}

function first<T extends Positioned>(heads: readonly Head<T>[], direction: Direction): Head<T> {
  return heads.reduce((best, head) => (direction * (positionOf(head) - positionOf(best)) < 0 ? head : best));
}

function positionOf<T extends Positioned>({ bucket, index }: Head<T>): number {
  return bucket[index]?.position ?? Number.POSITIVE_INFINITY;
}
