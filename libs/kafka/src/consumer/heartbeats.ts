import type { ConsumerConfig } from '../client/config.ts';

type Times = Pick<ConsumerConfig, 'KAFKA_HEARTBEAT_INTERVAL_MS' | 'KAFKA_MAX_PROCESSING_MS'>;

/**
 * Runs work and sends heartbeats meanwhile, because kafkajs sends none in the background (tulios/kafkajs#447, #624).
 *
 * Work that takes longer than the session timeout keeps its partition. Work that takes longer than
 * `KAFKA_MAX_PROCESSING_MS` is taken for hanging and loses the partition, as with `max.poll.interval.ms` of Java's
 * client.
 *
 * A heartbeat that fails does not end the work: kafkajs sends the next heartbeat in its place, and that one fails in a
 * caller that can act on the error.
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
