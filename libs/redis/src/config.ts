import {
  checkCredentials,
  checkNeeds,
  credentialNames,
  faultOf,
  flag,
  hasUserInfo,
  integer,
  optionalText,
  textFile,
} from '@bulk/runtime';
import { z } from 'zod';

const CREDENTIALS = credentialNames('REDIS');

/** Settings of every service that uses Redis. */
export const redisConfigShape = {
  REDIS_URL: z
    .string()
    .regex(/^rediss?:\/\//, 'expected a redis:// or rediss:// URL')
    .optional()
    .meta({
      description:
        'URL of Redis; credentials and TLS (rediss://) may be part of it. It takes precedence over a separate host and port.',
    }),
  REDIS_HOST: z.string().default('127.0.0.1').meta({ description: 'Host of Redis, if no URL is set.' }),
  REDIS_PORT: integer({ min: 1, max: 65_535 }, 6_379, 'Port of Redis, if no URL is set.'),
  REDIS_USERNAME: optionalText('User name for Redis (ACL). Default: the default user of Redis.'),
  REDIS_PASSWORD: optionalText('Password for Redis, if no file contains it.'),
  REDIS_PASSWORD_FILE: textFile('File with the password for Redis, in place of the password itself.'),
  REDIS_TLS: flag(false, 'Whether to connect to Redis by TLS. A rediss:// URL also requires it.'),
  REDIS_TLS_CA_FILE: textFile(
    "File with the CA certificates (PEM) that sign Redis' certificate. Default: Node's CA certificates.",
  ),
  REDIS_PREFIX: z.string().default('bulk:').meta({ description: 'Prefix of every key in Redis.' }),
  REDELIVERY_MARGIN_MS: integer(
    { min: 100, max: 3_600_000 },
    300_000,
    'Handlers process a redelivered batch without asking MongoDB if its action was unfinished this recently, in ms. First positions stay in Redis for twice this long after the end of an action. Must exceed the difference between the clocks of the services. Higher values need more memory in Redis.',
  ),
  REDIS_TIMEOUT_MS: integer(
    { min: 50, max: 600_000 },
    5_000,
    'Maximum wait for an answer of Redis, in ms; then the command fails. A higher value tolerates a slower Redis and notices an outage later.',
  ),
};

/**
 * Checks the settings together; for `superRefine` of a service's schema. A fault names the variable, never its value.
 */
export function checkRedisConfig(config: RedisConfig, context: z.RefinementCtx): void {
  const fault = faultOf(context);
  const { REDIS_URL: url = '' } = config;
  checkCredentials(config, CREDENTIALS, { nameNeeded: false }, fault);
  if (hasUserInfo(url)) {
    const { REDIS_USERNAME, REDIS_PASSWORD, REDIS_PASSWORD_FILE } = config;
    const beside = { REDIS_USERNAME, REDIS_PASSWORD, REDIS_PASSWORD_FILE };
    checkNeeds(beside, Object.keys(beside), 'no credentials in REDIS_URL', false, fault);
  }
  const encrypted = config.REDIS_TLS || url.startsWith('rediss:');
  checkNeeds(config, ['REDIS_TLS_CA_FILE'], 'REDIS_TLS=true or a rediss:// URL', encrypted, fault);
}

/** The Redis settings alone, checked together; for tools. */
export const redisConfigSchema = z.object(redisConfigShape).superRefine(checkRedisConfig);

export type RedisConfig = z.infer<z.ZodObject<typeof redisConfigShape>>;
