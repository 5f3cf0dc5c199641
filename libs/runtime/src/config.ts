import { CodedError, type FieldIssue } from '@bulk/domain';
import { z } from 'zod';
import { faultOf } from './credentials.ts';
import { checkSecret, secretFile, secretText, type SecretForm } from './secrets.ts';

/** Thrown at start if the environment is not a valid configuration. It lists every fault at once. */
export class InvalidConfigError extends CodedError {
  constructor(issues: readonly FieldIssue[]) {
    const lines = issues.map(({ field, message }) => `  ${field}: ${message}`);
    super('INVALID_CONFIG', `invalid configuration:\n${lines.join('\n')}`, { details: { issues } });
  }
}

/** The environment as a process sees it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads a service's configuration. An empty variable counts as absent, and unknown variables are ignored.
 *
 * @throws InvalidConfigError naming every variable at fault and the expected value.
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

/** Declares a setting: a whole number within bounds. */
export function integer(bounds: Bounds, fallback: number, description: string) {
  return wholeNumber(bounds).default(fallback).meta({ description });
}

/** Declares an optional setting: a whole number within bounds. */
export function optionalInteger(bounds: Bounds, description: string) {
  return wholeNumber(bounds).optional().meta({ description });
}

/** Declares a setting: `true` or `false`. */
export function flag(fallback: boolean, description: string) {
  return z
    .enum(['true', 'false'], 'expected true or false')
    .transform((text) => text === 'true')
    .default(fallback)
    .meta({ description });
}

/** Declares a setting: a comma-separated list. */
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

/** The levels of a log, from the least to the most verbose, except for `silent`. */
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** Declares a setting: the address or host name on which a server listens. */
function listenHost(description: string) {
  return z
    .string()
    .regex(/^[A-Za-z0-9.:_-]{1,253}$/, 'expected an IP address or a host name, without a port')
    .default('0.0.0.0')
    .meta({ description });
}

/** Settings of the services that callers reach. */
export const publicServerConfigShape = {
  HOST: listenHost(
    'Address on which the public port listens. 0.0.0.0 is every IPv4 interface, which a container needs; :: includes IPv6; 127.0.0.1 is this machine only.',
  ),
};

const TOKEN_FORM: SecretForm = {
  pattern: /^[\x21-\x7e]{16,256}$/,
  expected: 'expected 16 to 256 printable ASCII characters without spaces',
};

/** Settings of every service. `checkRuntimeConfig` checks them together. */
export const runtimeConfigShape = {
  ADMIN_HOST: listenHost(
    'Address on which the admin port listens. 0.0.0.0 is every IPv4 interface, which probes of a container need; :: includes IPv6; 127.0.0.1 is this machine only.',
  ),
  LOG_LEVEL: z
    .enum(LOG_LEVELS)
    .default('info')
    .meta({ description: 'Least severe level that is logged. At error, an operator must act.' }),
  LOG_FORMAT: z
    .enum(['json', 'pretty'])
    .default('json')
    .meta({ description: 'Format of the log: JSON lines, or coloured text, which needs pino-pretty.' }),
  ADMIN_TOKEN: secretText(
    TOKEN_FORM,
    'Bearer token that allows other machines to change the log level (PUT /log-level). Without it, only this machine may.',
  ),
  ADMIN_TOKEN_FILE: secretFile(TOKEN_FORM, 'File with the bearer token, in place of the token itself.'),
  SHUTDOWN_GRACE_MS: integer(
    { min: 100, max: 600_000 },
    30_000,
    'Maximum time from SIGTERM to the end of the process, in ms. A higher value lets more work finish before the process ends.',
  ),
  READINESS_PROBE_INTERVAL_MS: integer(
    { min: 50, max: 600_000 },
    2_000,
    'Time between two probes of a dependency that no work has used in the meantime, in ms. A higher value detects an outage of an idle dependency later.',
  ),
  READINESS_PROBE_TIMEOUT_MS: integer(
    { min: 50, max: 600_000 },
    5_000,
    'Maximum wait for the answer to a probe, in ms. After it /healthz reports the dependency as unavailable.',
  ),
  READINESS_REFUSAL_MS: integer(
    { min: 0, max: 86_400_000 },
    300_000,
    'How long /healthz reports a dependency that answers but refused work (a missing right, a full disk), in ms, unless work succeeds earlier.',
  ),
  BUILD_VERSION: z
    .string()
    .max(100)
    .default('dev')
    .meta({ description: 'Version of the running build, for /metrics. The image sets it.' }),
  BUILD_REVISION: z
    .string()
    .max(100)
    .default('unknown')
    .meta({ description: 'Commit of the running build, for /metrics. The image sets it.' }),
};

/**
 * Checks the settings together; for `superRefine` of a service's schema. A fault names the variable, never its value.
 */
export function checkRuntimeConfig(
  config: Readonly<Record<string, unknown>>,
  context: z.RefinementCtx,
): void {
  checkSecret(config, 'ADMIN_TOKEN', faultOf(context));
}
