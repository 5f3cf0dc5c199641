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

/** Variables of every service that talks to Redis. */
export const redisConfigShape = {
  REDIS_URL: z
    .string()
    .regex(/^rediss?:\/\//, 'expected a redis:// or rediss:// URL')
    .optional()
    .meta({
      description:
        'Redis; credentials and TLS (rediss://) may be part of it. Wins over REDIS_HOST and REDIS_PORT.',
    }),
  REDIS_HOST: z
    .string()
    .default('127.0.0.1')
    .meta({ description: 'Host of Redis where there is no REDIS_URL.' }),
  REDIS_PORT: integer({ min: 1, max: 65_535 }, 6_379, 'Port of Redis where there is no REDIS_URL.'),
  REDIS_USERNAME: optionalText('Our name at Redis (ACL); absent: its default user.'),
  REDIS_PASSWORD: optionalText('Our password at Redis; this or REDIS_PASSWORD_FILE.'),
  REDIS_PASSWORD_FILE: textFile('A file with our password at Redis.'),
  REDIS_TLS: flag(false, 'Reach Redis by TLS; a rediss:// URL says so, too.'),
  REDIS_TLS_CA_FILE: textFile("Certificates (PEM) of who signs Redis'; absent: Node's own."),
  REDIS_PREFIX: z.string().default('bulk:').meta({ description: 'Prefix of every key.' }),
  REDELIVERY_MARGIN_MS: integer(
    { min: 100, max: 3_600_000 },
    300_000,
    'Handlers process a redelivered batch without asking MongoDB if its action was unfinished this recently, in ms. First positions stay in Redis for twice this long after the end of an action. Must exceed the difference between the clocks of the services. Higher values need more memory in Redis.',
  ),
  REDIS_TIMEOUT_MS: integer({ min: 50, max: 600_000 }, 5_000, 'Longest wait for an answer, in ms.'),
};

/** What the variables must be together; for `superRefine` of a service's schema. Names the variable, never its value. */
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

/** These variables alone, checked together: for tools. */
export const redisConfigSchema = z.object(redisConfigShape).superRefine(checkRedisConfig);

export type RedisConfig = z.infer<z.ZodObject<typeof redisConfigShape>>;
