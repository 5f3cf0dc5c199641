export interface BufferLimits {
  /** Maximum number of bytes of one connection. */
  readonly perConnection: number;
  /** Maximum number of bytes of all connections. */
  readonly total: number;
}

/**
 * Counts the unsent bytes of all connections of a process.
 *
 * A connection without unsent bytes may always send, so that slow clients delay no others. Beyond
 * the total, the others send one frame at a time.
 */
export class BufferedBytes {
  readonly #limits: BufferLimits;
  #total = 0;

  constructor(limits: BufferLimits) {
    this.#limits = limits;
  }

  /** Number of unsent bytes of all connections. */
  get total(): number {
    return this.#total;
  }

  /** Starts to count the bytes of one connection. */
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

/** The unsent bytes of one connection. */
export interface ConnectionBytes {
  /** Records how many bytes are unsent now. */
  set(bytes: number): void;
  /** Returns whether more may be sent while this many bytes are unsent. */
  hasRoom(bytes: number): boolean;
}
