/** Bounds of a group of rows. */
export interface GroupBounds {
  /** Maximum number of rows. */
  readonly rows: number;
  /** Number of bytes that closes a group. */
  readonly bytes: number;
  /** Maximum time that a row waits for others, in ms. */
  readonly waitMs: number;
}

const LATE = Symbol('late');

/**
 * Collects rows into groups as they arrive. A group is closed when it is full, when its first row has waited long enough,
 * and at the end. It holds one group and one further row.
 *
 * @param sizeOf returns the size of a row, in bytes.
 * @throws the errors of `rows` and `sizeOf`.
 */
export async function* groupsOf<T>(
  rows: Iterable<T> | AsyncIterable<T>,
  bounds: GroupBounds,
  sizeOf: (row: T) => number,
): AsyncGenerator<T[]> {
  const iterator = Symbol.asyncIterator in rows ? rows[Symbol.asyncIterator]() : rows[Symbol.iterator]();
  let requested: Promise<IteratorResult<T>> | undefined;
  const request = async (): Promise<IteratorResult<T>> => iterator.next();
  try {
    for (let done = false; !done;) {
      const group: T[] = [];
      let bytes = 0;
      let timer: NodeJS.Timeout | undefined;
      let late: Promise<typeof LATE> | undefined;
      try {
        while (group.length < bounds.rows && bytes < bounds.bytes) {
          requested ??= request();
          // A group may be under way when the row behind it fails.
          requested.catch(() => undefined);
          const next = await (late === undefined ? requested : Promise.race([requested, late]));
          if (next === LATE) break;
          requested = undefined;
          if (next.done === true) {
            done = true;
            break;
          }
          bytes += sizeOf(next.value);
          group.push(next.value);
          late ??= new Promise((resolve) => {
            timer = setTimeout(resolve, bounds.waitMs, LATE);
          });
        }
      } finally {
        clearTimeout(timer);
      }
      if (group.length > 0) yield group;
    }
  } finally {
    // Not awaited: a requested row may never arrive.
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}
