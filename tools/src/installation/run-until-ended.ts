/** Stays up. Resolves at Ctrl-C or SIGTERM, an orderly end; rejects if `live` rejects before. */
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
