import { kafkaConfigShape } from '@bulk/kafka';
import { mongoConfigShape } from '@bulk/mongo';
import { integer, runtimeConfigShape } from '@bulk/runtime';
import { z } from 'zod';

const { LOG_LEVEL, LOG_FORMAT } = runtimeConfigShape;

/**
 * The schema of the installer's environment: the services' variables for what the installer
 * creates.
 */
export const installConfigSchema = z.object({
  LOG_LEVEL,
  LOG_FORMAT,
  ...kafkaConfigShape,
  ...mongoConfigShape,
  INSTALL_TIMEOUT_MS: integer(
    { min: 1_000, max: 3_600_000 },
    180_000,
    'Longest time until topics, schemas and indexes exist, in ms. It starts again while MongoDB builds an index.',
  ),
});

export type InstallConfig = z.infer<typeof installConfigSchema>;
