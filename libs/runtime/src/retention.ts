import { lifetimesOf, type Lifetimes } from '@bulk/domain';
import type { z } from 'zod';
import { integer } from './config.ts';

const HOUR_MS = 3_600_000;

/** The one variable that all lifetimes are derived from (see `lifetimesOf`). */
export const retentionConfigShape = {
  KAFKA_RETENTION_HOURS: integer(
    { min: 1, max: 87_600 },
    168,
    'Retention of all topics but progress, in hours. Must outlast the longest outage. Segment time, tombstones, first positions and the longest time in retry topics are derived from it.',
  ),
};

export type RetentionConfig = z.infer<z.ZodObject<typeof retentionConfigShape>>;

/** The lifetimes of an installation. */
export function configuredLifetimes({ KAFKA_RETENTION_HOURS }: RetentionConfig): Lifetimes {
  return lifetimesOf(KAFKA_RETENTION_HOURS * HOUR_MS);
}
