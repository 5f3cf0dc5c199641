/** Keys that are counted at once. Beyond it the oldest window is forgotten. */
const MAX_KEYS = 100_000;

/** Frames of one key in a window of time. */
export interface FrameWindow {
  /** By the clock that the windows were given. */
  endsAt: number;
  /** Frames that have passed. */
  spent: number;
  /** Frames that may pass without asking Redis again. */
  granted: number;
  /** Its name in Redis, once that was asked. */
  id?: string;
  /** The question to Redis that is under way. */
  asking?: Promise<void> | undefined;
}

/** The windows of the keys that have sent frames lately, in the memory of this process. */
export class FrameWindows {
  readonly #windowMs: number;
  readonly #now: () => number;
  readonly #maxKeys: number;
  /** In the order in which the windows began. */
  readonly #windows = new Map<string, FrameWindow>();

  /**
   * @param windowMs length of a window, in ms.
   * @param now milliseconds since some fixed instant; never goes back.
   */
  constructor(windowMs: number, now: () => number, maxKeys = MAX_KEYS) {
    this.#windowMs = windowMs;
    this.#now = now;
    this.#maxKeys = maxKeys;
  }

  /** Keys that are counted now. */
  get size(): number {
    return this.#windows.size;
  }

  /** The current window of a key; it begins with its first frame. */
  of(key: string): FrameWindow {
    const known = this.#windows.get(key);
    if (known !== undefined && known.endsAt > this.#now()) return known;
    this.#windows.delete(key);
    this.#forget();
    const window = { endsAt: this.#now() + this.#windowMs, spent: 0, granted: 0 };
    this.#windows.set(key, window);
    return window;
  }

  /** Forgets the windows that began first, while they have ended or are too many. */
  #forget(): void {
    for (const [key, { endsAt }] of this.#windows) {
      if (endsAt > this.#now() && this.#windows.size < this.#maxKeys) return;
      this.#windows.delete(key);
    }
  }
}
