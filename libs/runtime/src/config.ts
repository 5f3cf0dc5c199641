import { CodedError, type FieldIssue } from '@bulk/domain';
import { z } from 'zod';

/** Thrown at start when the environment is not a valid configuration; lists every fault at once. */
export class InvalidConfigError extends CodedError {
  constructor(issues: readonly FieldIssue[]) {
    const lines = issues.map(({ field, message }) => `  ${field}: ${message}`);
    super('INVALID_CONFIG', `invalid configuration:\n${lines.join('\n')}`, { details: { issues } });
  }
}

/** The environment as a process sees it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads a service's configuration; an empty variable counts as absent, unknown variables are left alone.
 *
 * @throws InvalidConfigError naming every variable at fault and what was expected.
 */
export function loadConfig<T>(schema: z.ZodType<T>, env: Environment): Readonly<T> {
  const present = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  const result = schema.safeParse(present);
  if (result.success) return Object.freeze(result.data);
  throw new InvalidConfigError(
    result.error.issues.map(({ path, message }) => ({
      field: path.map(String).join('.') || '(all)',
      message,
    })),
  );
}

interface Bounds {
  readonly min: number;
  readonly max: number;
}

function wholeNumber({ min, max }: Bounds) {
  const expected = `expected a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^-?\d{1,15}$/, expected)
    .transform(Number)
    .refine((n) => n >= min && n <= max, expected);
}

/** A whole number from the environment, within bounds. */
export function integer(bounds: Bounds, fallback: number, description: string) {
  return wholeNumber(bounds).default(fallback).meta({ description });
}

/** A whole number from the environment, within bounds; undefined where the variable is absent. */
export function optionalInteger(bounds: Bounds, description: string) {
  return wholeNumber(bounds).optional().meta({ description });
}

/** `true` or `false` from the environment. */
export function flag(fallback: boolean, description: string) {
  return z
    .enum(['true', 'false'], 'expected true or false')
    .transform((text) => text === 'true')
    .default(fallback)
    .meta({ description });
}

/** A comma-separated list from the environment. */
export function list(fallback: string[], description: string) {
  return z
    .string()
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )
    .refine((parts) => parts.length > 0, 'expected at least one value, separated by commas')
    .default(fallback)
    .meta({ description });
}

/** From the least talkative level of a log, but for `silent`. */
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** The address or host name that a server listens on. */
function listenHost(description: string) {
  return z
    .string()
    .regex(/^[A-Za-z0-9.:_-]{1,253}$/, 'expected an IP address or a host name, without a port')
    .default('0.0.0.0')
    .meta({ description });
}

/** Variables of the services that callers reach. */
export const publicServerConfigShape = {
  HOST: listenHost(
    'Address that PORT listens on. 0.0.0.0: every IPv4 interface, as a container needs it; :: also takes IPv6; 127.0.0.1: this machine only.',
  ),
};

/** Variables that every service has. */
export const runtimeConfigShape = {
  ADMIN_HOST: listenHost(
    'Address that ADMIN_PORT listens on. 0.0.0.0: every IPv4 interface, as probes of a container need it; :: also takes IPv6; 127.0.0.1: this machine only.',
  ),
  LOG_LEVEL: z
    .enum(LOG_LEVELS)
    .default('info')
    .meta({ description: 'Least severe level that is logged; error means that someone must act.' }),
  LOG_FORMAT: z
    .enum(['json', 'pretty'])
    .default('json')
    .meta({ description: 'JSON lines, or coloured text where pino-pretty is installed.' }),
  ADMIN_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{16,256}$/, 'expected 16 to 256 printable ASCII characters without spaces')
    .optional()
    .meta({
      description:
        'Bearer token that lets other machines change the level of the log (PUT /log-level). Without it, only this machine may.',
    }),
  SHUTDOWN_GRACE_MS: integer(
    { min: 100, max: 600_000 },
    30_000,
    'Longest time from SIGTERM to the end of the process, in ms.',
  ),
  READINESS_PROBE_INTERVAL_MS: integer(
    { min: 50, max: 600_000 },
    2_000,
    'Time between looks whether a dependency that no work has told of is there, in ms.',
  ),
  READINESS_PROBE_TIMEOUT_MS: integer(
    { min: 50, max: 600_000 },
    5_000,
    'A dependency without an answer for this long is away: /readyz says so, in ms.',
  ),
  READINESS_REFUSAL_MS: integer(
    { min: 0, max: 86_400_000 },
    300_000,
    'How long /readyz names a dependency that answers but refused work (a missing right, a full disk), in ms, if no work succeeds before.',
  ),
  BUILD_VERSION: z
    .string()
    .max(100)
    .default('dev')
    .meta({ description: 'Version that runs, as /metrics tells it; an image sets it.' }),
  BUILD_REVISION: z
    .string()
    .max(100)
    .default('unknown')
    .meta({ description: 'Commit that runs, as /metrics tells it; an image sets it.' }),
};
