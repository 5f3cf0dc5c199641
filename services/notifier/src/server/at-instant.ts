/**
 * How long to sleep at most before looking at the clock again, in ms: it may have been set, and a delay above setTimeout's
 * maximum (2^31 - 1 ms) would end at once.
 */
const LONGEST_SLEEP_MS = 3_600_000;

/**
 * Calls `run` once when the instant has come by the machine's clock; at once when it has passed. Does not keep the process
 * alive.
 *
 * @returns cancels it.
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
