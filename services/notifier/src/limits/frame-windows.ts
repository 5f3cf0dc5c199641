/** Maximum number of keys that are counted at once. Beyond it the oldest window is dropped. */
const MAX_KEYS = 100_000;

/** The frames of one key in a window of time. */
export interface FrameWindow {
  /** End of the window, by the clock of FrameWindows, in ms. */
  endsAt: number;
  /** Number of frames that have passed. */
  spent: number;
  /** Number of frames that may pass before Redis is called again. */
  granted: number;
  /** Name of the window in Redis, once Redis was called. */
  id?: string;
  /** The call to Redis that is under way. */
  asking?: Promise<void> | undefined;
}

/** Holds the windows of the keys that have sent frames lately, in the memory of this process. */
export class FrameWindows {
  readonly #windowMs: number;
  readonly #now: () => number;
  readonly #maxKeys: number;
  /** The windows in the order of their start. */
  readonly #windows = new Map<string, FrameWindow>();

  /**
   * @param windowMs length of a window, in ms.
   * @param now returns milliseconds since a fixed instant; never decreases.
   */
  constructor(windowMs: number, now: () => number, maxKeys = MAX_KEYS) {
    this.#windowMs = windowMs;
    this.#now = now;
    this.#maxKeys = maxKeys;
  }

  /** Number of keys that are counted now. */
  get size(): number {
    return this.#windows.size;
  }

  /** Returns the current window of a key. A window starts with its first frame. */
  of(key: string): FrameWindow {
    const known = this.#windows.get(key);
    if (known !== undefined && known.endsAt > this.#now()) return known;
    this.#windows.delete(key);
    this.#forget();
    const window = { endsAt: this.#now() + this.#windowMs, spent: 0, granted: 0 };
    this.#windows.set(key, window);
    return window;
  }

  /** Drops the oldest windows, while they have ended or there are too many. */
  #forget(): void {
    for (const [key, { endsAt }] of this.#windows) {
      if (endsAt > this.#now() && this.#windows.size < this.#maxKeys) return;
      this.#windows.delete(key);
    }
  }
}
