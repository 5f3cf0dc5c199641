import { integer } from '@bulk/runtime';
import { z } from 'zod';

/** Variables of every service that talks to Redis. */
export const redisConfigShape = {
  REDIS_URL: z
    .string()
    .regex(/^rediss?:\/\//, 'expected a redis:// or rediss:// URL')
    .optional()
    .meta({ description: 'Redis; credentials and TLS go here. Wins over REDIS_HOST and REDIS_PORT.' }),
  REDIS_HOST: z
    .string()
    .default('127.0.0.1')
    .meta({ description: 'Host of Redis where there is no REDIS_URL.' }),
  REDIS_PORT: integer({ min: 1, max: 65_535 }, 6_379, 'Port of Redis where there is no REDIS_URL.'),
  REDIS_PREFIX: z.string().default('bulk:').meta({ description: 'Prefix of every key.' }),
  REDIS_TIMEOUT_MS: integer({ min: 50, max: 600_000 }, 5_000, 'Longest wait for an answer, in ms.'),
};

export type RedisConfig = z.infer<z.ZodObject<typeof redisConfigShape>>;
