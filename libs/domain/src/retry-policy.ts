/** How an entity that asks for another try is tried again. */
export interface RetryPolicy {
  /** Tries at most, the first one included. */
  readonly maxAttempts: number;
  /** Longest wait before the second try, in ms; it doubles with each try. */
  readonly initialDelayMs: number;
  /** Longest wait before any later try, in ms. */
  readonly maxDelayMs: number;
}
