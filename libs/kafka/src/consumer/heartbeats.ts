import type { ConsumerConfig } from '../client/config.ts';

type Times = Pick<ConsumerConfig, 'KAFKA_HEARTBEAT_INTERVAL_MS' | 'KAFKA_MAX_PROCESSING_MS'>;

/**
 * Does work while the group hears of us, since kafkajs sends no heartbeat in the background (tulios/kafkajs#447, #624): work
 * that takes longer than the session keeps its partition. Work that takes longer than `KAFKA_MAX_PROCESSING_MS` hangs, for
 * all we know, and loses it (Java's client has `max.poll.interval.ms` for that).
 *
 * A heartbeat that fails does not end the work: kafkajs sends the next one in its stead, and that one fails in the hands of
 * somebody who can act on it.
 */
export async function withHeartbeats<T>(
  { KAFKA_HEARTBEAT_INTERVAL_MS: everyMs, KAFKA_MAX_PROCESSING_MS: maxMs }: Times,
  heartbeat: () => Promise<void>,
  work: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  const timer = setInterval(() => {
    if (performance.now() - startedAt > maxMs) clearInterval(timer);
    else heartbeat().catch(() => undefined);
  }, everyMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
