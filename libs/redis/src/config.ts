import {
  checkCredentials,
  checkNeeds,
  credentialNames,
  faultOf,
  flag,
  hasUserInfo,
  integer,
  optionalInteger,
  optionalText,
  textFile,
} from '@bulk/runtime';
import { z } from 'zod';
import type { Replication } from './key-script.ts';

const CREDENTIALS = credentialNames('REDIS');
const SENTINEL = credentialNames('REDIS_SENTINEL');
/** Port of a sentinel whose address names none. */
const SENTINEL_PORT = 26_379;

/** Address of a sentinel. */
export interface SentinelAddress {
  readonly host: string;
  readonly port: number;
}

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
  REDIS_SENTINELS: z
    .string()
    .transform((text) => text.split(',').map((address) => address.trim()))
    .pipe(z.array(z.string().regex(/^[^\s:,/@]+(:\d{1,5})?$/, 'expected host:port, separated by commas')))
    .transform((addresses) => addresses.map(sentinelAddress))
    .optional()
    .meta({
      description:
        'Addresses of Redis Sentinels (host:port, separated by commas), in place of the address of Redis. The services follow the primary that the sentinels name. Default: no sentinels.',
    }),
  REDIS_SENTINEL_NAME: optionalText('Name of the primary at the sentinels.'),
  REDIS_SENTINEL_USERNAME: optionalText('User name for the sentinels (ACL). Default: their default user.'),
  REDIS_SENTINEL_PASSWORD: optionalText('Password for the sentinels, if no file contains it.'),
  REDIS_SENTINEL_PASSWORD_FILE: textFile(
    'File with the password for the sentinels, in place of the password itself.',
  ),
  REDIS_WAIT_REPLICAS: optionalInteger(
    { min: 0, max: 100 },
    'Number of replicas that must have a claim of first positions before handler applies its batch. With the number of all replicas, no failover of Redis forgets a claim. Higher values survive the loss of more servers at once, and all lanes wait while fewer replicas answer. Default: 1 with sentinels, otherwise 0.',
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
  const { REDIS_URL: url = '', REDIS_SENTINELS: sentinels, REDIS_SENTINEL_NAME: name } = config;
  checkCredentials(config, CREDENTIALS, { nameNeeded: false }, fault);
  checkCredentials(config, SENTINEL, { nameNeeded: false }, fault);
  checkNeeds(
    config,
    ['REDIS_SENTINEL_NAME', SENTINEL.username, SENTINEL.password, SENTINEL.passwordFile],
    'REDIS_SENTINELS',
    sentinels !== undefined,
    fault,
  );
  if (sentinels !== undefined && name === undefined)
    fault('REDIS_SENTINELS', 'expected REDIS_SENTINEL_NAME as well');
  if (sentinels !== undefined && url !== '')
    fault('REDIS_URL', 'expected this or REDIS_SENTINELS, found both');
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

/** Returns which replicas must have a claim of first positions before it counts. */
export function replicationOf(config: RedisConfig): Replication {
  const { REDIS_WAIT_REPLICAS, REDIS_SENTINELS, REDIS_TIMEOUT_MS } = config;
  return {
    replicas: REDIS_WAIT_REPLICAS ?? (REDIS_SENTINELS === undefined ? 0 : 1),
    // Redis answers how many replicas it has before the command counts as unanswered.
    timeoutMs: Math.ceil(REDIS_TIMEOUT_MS / 2),
  };
}

function sentinelAddress(address: string): SentinelAddress {
  const [host = '', port] = address.split(':');
  return { host, port: port === undefined ? SENTINEL_PORT : Number(port) };
}
