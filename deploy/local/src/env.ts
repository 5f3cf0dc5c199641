import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { z } from 'zod';
import { StackError } from './errors.ts';
import { workspaceRoot } from './paths.ts';
import type { PartName } from './state.ts';

export type Environment = Record<string, string | undefined>;

const text = z.string().trim().min(1).optional();

const environmentSchema = z.object({
  STACK_NAME: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,40}$/i, 'letters, digits, dot, dash and underscore only')
    .optional(),
  /** Read by the MongoDB part. */
  STACK_MONGO_DURABLE: z.enum(['true', 'false']).optional(),
  /** Whether an interactive start may build the fast MongoDB replacement in the background. Default: true. */
  STACK_BACKGROUND_BUILD: z.enum(['true', 'false']).optional(),
  KAFKA_BROKERS: text,
  SCHEMA_REGISTRY_URL: z.url({ protocol: /^https?$/ }).optional(),
  MONGODB_URI: z
    .url({ protocol: /^mongodb(\+srv)?$/ })
    .or(z.string().startsWith('mongodb://'))
    .optional(),
  REDIS_URL: z.url({ protocol: /^rediss?$/ }).optional(),
  REDIS_HOST: text,
  REDIS_PORT: z.coerce.number().int().min(1).max(65_535).optional(),
});

/**
 * Variables for a stack that starts every part itself, whatever the surrounding run, or a developer's `.env`, points
 * to. An empty value counts as absent.
 */
export const OWN_PARTS: Environment = Object.fromEntries(
  ['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL', 'MONGODB_URI', 'REDIS_URL', 'REDIS_HOST', 'REDIS_PORT'].map(
    (name) => [name, ''],
  ),
);

/** The settings of a stack: its name, and the parts that exist already. */
export interface StackEnvironment {
  readonly name: string;
  /** URL of each part that the stack does not start. */
  readonly external: Partial<Record<PartName, string>>;
}

/**
 * Returns the environment merged with `.env` of the workspace root; the variables of the process take precedence. An
 * empty value counts as absent, so `KAFKA_BROKERS= npm start` undoes a line of `.env`.
 */
export function loadEnv(
  environment: Environment = process.env,
  file = join(workspaceRoot, '.env'),
): Environment {
  const fromFile = existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : {};
  return { ...fromFile, ...environment };
}

/** Reads the variables of the stack. It refuses a malformed one by name. */
export function readStackEnvironment(environment: Environment, name?: string): StackEnvironment {
  const given = Object.fromEntries(
    Object.keys(environmentSchema.shape).map((key) => [key, environment[key]?.trim() || undefined]),
  );
  const parsed = environmentSchema.safeParse(name === undefined ? given : { ...given, STACK_NAME: name });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const variable = String(issue?.path[0] ?? 'environment');
    throw new StackError(
      'BAD_ENVIRONMENT',
      `${variable}: ${issue?.message ?? 'invalid'}`,
      `unset ${variable}   # or correct it, also in .env`,
    );
  }
  const { STACK_NAME, KAFKA_BROKERS, SCHEMA_REGISTRY_URL, MONGODB_URI, REDIS_URL, REDIS_HOST, REDIS_PORT } =
    parsed.data;
  const redis =
    REDIS_URL ??
    (REDIS_HOST !== undefined || REDIS_PORT !== undefined
      ? `redis://${REDIS_HOST ?? '127.0.0.1'}:${REDIS_PORT ?? 6379}`
      : undefined);
  return {
    name: STACK_NAME ?? 'default',
    external: {
      ...(KAFKA_BROKERS !== undefined && { kafka: KAFKA_BROKERS }),
      ...(SCHEMA_REGISTRY_URL !== undefined && { registry: SCHEMA_REGISTRY_URL }),
      ...(MONGODB_URI !== undefined && { mongo: MONGODB_URI }),
      ...(redis !== undefined && { redis }),
    },
  };
}
