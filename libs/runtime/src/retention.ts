import { lifetimesOf, type Lifetimes } from '@bulk/domain';
import type { z } from 'zod';
import { integer } from './config.ts';

const HOUR_MS = 3_600_000;

/** The setting from which all lifetimes are derived (see `lifetimesOf`). */
export const retentionConfigShape = {
  KAFKA_RETENTION_HOURS: integer(
    { min: 1, max: 87_600 },
    168,
    'Minimum time for which Kafka keeps messages of all topics except progress, in hours. It must exceed the longest outage. Segment time, tombstones, first positions and the maximum time in retry topics are derived from it. A higher value needs more disk space in Kafka.',
  ),
};

export type RetentionConfig = z.infer<z.ZodObject<typeof retentionConfigShape>>;

/** Returns the lifetimes of an installation. */
export function configuredLifetimes({ KAFKA_RETENTION_HOURS }: RetentionConfig): Lifetimes {
  return lifetimesOf(KAFKA_RETENTION_HOURS * HOUR_MS);
}
