/** Something that has a place in its action. */
export interface Positioned {
  readonly position: number;
}

/** One source, as far as it has been read. */
interface Head<T> {
  readonly buckets: AsyncIterator<readonly T[]>;
  bucket: readonly T[];
  index: number;
}

/**
 * Merges sources into one, in order of position. Each source gives buckets whose positions ascend, within a bucket and
 * from bucket to bucket; no position is in two sources. Holds one bucket per source.
 *
 * @param after only what comes after this position.
 */
export async function* mergeByPosition<T extends Positioned>(
  sources: readonly AsyncIterable<readonly T[]>[],
  after = -1,
): AsyncGenerator<T> {
  const opened: Head<T>[] = sources.map((source) => ({
    buckets: source[Symbol.asyncIterator](),
    bucket: [],
    index: 0,
  }));
  try {
    const found = await Promise.all(opened.map((head) => advance(head, after)));
    let heads = opened.filter((_, i) => found[i]);
    while (heads.length > 0) {
      const next = lowest(heads);
      const item = next.bucket[next.index];
      if (item !== undefined) yield item;
      next.index += 1;
      if (!(await advance(next, after))) heads = heads.filter((head) => head !== next);
    }
  } finally {
    for (const { buckets } of opened) await buckets.return?.();
  }
}

/** Moves to the next item after `after`. @returns false when the source has none. */
async function advance<T extends Positioned>(head: Head<T>, after: number): Promise<boolean> {
  for (;;) {
    for (; head.index < head.bucket.length; head.index += 1) {
      if (positionOf(head) > after) return true;
    }
    const next = await head.buckets.next();
    if (next.done === true) return false;
    head.bucket = next.value;
    head.index = 0;
  }
}

function lowest<T extends Positioned>(heads: readonly Head<T>[]): Head<T> {
  return heads.reduce((low, head) => (positionOf(head) < positionOf(low) ? head : low));
}

function positionOf<T extends Positioned>({ bucket, index }: Head<T>): number {
  return bucket[index]?.position ?? Number.POSITIVE_INFINITY;
}
