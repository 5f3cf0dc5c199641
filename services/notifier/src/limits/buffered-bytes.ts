export interface BufferLimits {
  /** Bytes of one connection. */
  readonly perConnection: number;
  /** Bytes of all connections. */
  readonly total: number;
}

/**
 * Counts the bytes that wait to be sent, of all connections of a process.
 *
 * A connection of which nothing waits may always send, so that slow clients delay nobody else: beyond the total the
 * others send one frame at a time.
 */
export class BufferedBytes {
  readonly #limits: BufferLimits;
  #total = 0;

  constructor(limits: BufferLimits) {
    this.#limits = limits;
  }

  /** Bytes that wait now, of all connections. */
  get total(): number {
    return this.#total;
  }

  /** Opens the account of one connection. */
  open(): ConnectionBytes {
    let own = 0;
    return {
      set: (bytes) => {
        this.#total += bytes - own;
        own = bytes;
      },
      hasRoom: (bytes) =>
        bytes <= this.#limits.perConnection && (bytes === 0 || this.#total <= this.#limits.total),
    };
  }
}

/** What waits of one connection. */
export interface ConnectionBytes {
  /** Records how many bytes wait now. */
  set(bytes: number): void;
  /** Whether more may be sent while so many bytes wait. */
  hasRoom(bytes: number): boolean;
}
