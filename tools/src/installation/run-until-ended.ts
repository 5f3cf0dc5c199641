/** Stays up: resolves at Ctrl-C or SIGTERM, an orderly end; rejects when `live` does before. */
export async function runUntilEnded(
  signal: AbortSignal,
  live: (never: Promise<never>) => Promise<never>,
): Promise<void> {
  try {
    await live(new Promise<never>(() => undefined));
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
