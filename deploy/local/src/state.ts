import { rmSync } from 'node:fs';
import { z } from 'zod';
import { StackError } from './errors.ts';
import { readJson, writeAtomically } from './files.ts';
import type { StackPaths } from './paths.ts';
import { identitySchema } from './processes.ts';

export const partNames = ['kafka', 'registry', 'mongo', 'redis'] as const;
export type PartName = (typeof partNames)[number];

/** The variable that names each part's URL, for our services and for who replaces the part. */
export const partVariables = {
  kafka: 'KAFKA_BROKERS',
  registry: 'SCHEMA_REGISTRY_URL',
  mongo: 'MONGODB_URI',
  redis: 'REDIS_URL',
} as const satisfies Record<PartName, string>;

const partStateSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('external'), url: z.string() }),
  z.object({
    kind: z.literal('managed'),
    url: z.string(),
    port: z.number().int(),
    engine: z.string(),
    log: z.string(),
    /** Absent while the part is halted. */
    process: identitySchema.optional(),
  }),
]);
export type PartState = z.infer<typeof partStateSchema>;

const stateSchema = z.object({
  version: z.literal(1),
  name: z.string(),
  /** Tells this start from any other under the same name. */
  startedAt: z.string().default(''),
  phase: z.enum(['starting', 'ready', 'stopping']),
  supervisor: identitySchema,
  /** Whether the supervisor is a process of its own, made by `up`; else it is the caller of `startStack`. */
  dedicated: z.boolean(),
  control: z.string(),
  parts: z.partialRecord(z.enum(partNames), partStateSchema),
});
export type StackState = z.infer<typeof stateSchema>;

/** Where the services find the four parts. */
export interface StackUrls {
  readonly kafkaBrokers: string;
  readonly schemaRegistryUrl: string;
  readonly mongodbUri: string;
  readonly redisUrl: string;
}

export function readState(paths: StackPaths): StackState | undefined {
  return readJson(paths.state, stateSchema);
}

export function writeState(paths: StackPaths, state: StackState): void {
  writeAtomically(paths.state, `${JSON.stringify(stateSchema.parse(state), null, 2)}\n`);
}

export function removeState(paths: StackPaths): void {
  rmSync(paths.state, { force: true });
  rmSync(paths.env, { force: true });
}

/** The URLs of all parts; one given by the environment wins over the stack's own. */
export function urlsOf(
  states: StackState['parts'],
  external: Partial<Record<PartName, string>> = {},
): StackUrls {
  const url = (name: PartName): string => {
    const found = external[name] ?? states[name]?.url;
    if (found !== undefined) return found;
    throw new StackError(
      'NOT_UP',
      `${partVariables[name]} is not known: ${name} is not up`,
      'npm run stack -- up',
    );
  };
  return {
    kafkaBrokers: url('kafka'),
    schemaRegistryUrl: url('registry'),
    mongodbUri: url('mongo'),
    redisUrl: url('redis'),
  };
}

/** The URLs as lines of an environment file. */
export function envLines(urls: StackUrls): string[] {
  const redis = new URL(urls.redisUrl);
  return [
    `KAFKA_BROKERS=${urls.kafkaBrokers}`,
    `SCHEMA_REGISTRY_URL=${urls.schemaRegistryUrl}`,
    `MONGODB_URI=${urls.mongodbUri}`,
    `REDIS_URL=${urls.redisUrl}`,
    `REDIS_HOST=${redis.hostname}`,
    `REDIS_PORT=${redis.port || '6379'}`,
  ];
}
