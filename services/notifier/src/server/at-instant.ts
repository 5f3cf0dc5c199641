/**
 * Longest sleep before the next look at the clock, in ms.
 *
 * The clock may have been set, and a delay above setTimeout's maximum (2^31 - 1 ms) would end at
 * once.
 */
const LONGEST_SLEEP_MS = 3_600_000;

/**
 * Calls `run` once when the machine's clock reaches the instant; at once if it has passed.
 *
 * Does not keep the process alive.
 *
 * @returns a function that cancels the call.
 */
export function atInstant(instant: Date, run: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    const leftMs = instant.getTime() - Date.now();
    if (leftMs <= 0) {
      run();
      return;
    }
    timer = setTimeout(look, Math.min(leftMs, LONGEST_SLEEP_MS));
    timer.unref();
  };
  look();
  return () => clearTimeout(timer);
}
