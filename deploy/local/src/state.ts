import { rmSync } from 'node:fs';
import { z } from 'zod';
import { StackError } from './errors.ts';
import { readJson, writeAtomically } from './files.ts';
import type { StackPaths } from './paths.ts';
import { identitySchema } from './processes.ts';

export const partNames = ['kafka', 'registry', 'mongo', 'redis'] as const;
export type PartName = (typeof partNames)[number];

/** The brokers of a stack after its first, which is called `kafka`. */
const furtherBrokers = ['kafka-2', 'kafka-3', 'kafka-4', 'kafka-5'] as const;

/** Maximum number of brokers of a stack. */
export const MAX_BROKERS = furtherBrokers.length + 1;

/** Every process that a stack can have; Kafka has one per broker. */
export const processNames = ['kafka', ...furtherBrokers, 'registry', 'mongo', 'redis'] as const;
export type ProcessName = (typeof processNames)[number];

/** Returns the processes of a stack with the given number of brokers. */
export function processesWith(brokers: number): ProcessName[] {
  return processNames.filter((name) => partOf(name) !== 'kafka' || brokerNumber(name) <= brokers);
}

/** Returns the part that a process belongs to. */
export function partOf(name: ProcessName): PartName {
  return partNames.find((part) => part === name) ?? 'kafka';
}

/** Returns the number of a broker: 1 for `kafka`, 2 for `kafka-2`, and so on. */
export function brokerNumber(name: ProcessName): number {
  return furtherBrokers.findIndex((broker) => broker === name) + 2;
}

/** The variable with each part's URL, for our services and for users who replace the part. */
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
  /** Distinguishes this start from any other under the same name. */
  startedAt: z.string().default(''),
  phase: z.enum(['starting', 'ready', 'stopping']),
  supervisor: identitySchema,
  /** Whether the supervisor is a process of its own, created by `up`; else it is the caller of `startStack`. */
  dedicated: z.boolean(),
  control: z.string(),
  parts: z.partialRecord(z.enum(processNames), partStateSchema),
});
export type StackState = z.infer<typeof stateSchema>;

/** The addresses of the four parts, for the services. */
export interface StackUrls {
  readonly kafkaBrokers: string;
  readonly schemaRegistryUrl: string;
  readonly mongodbUri: string;
  readonly redisUrl: string;
  /** The replication of topics; absent if only the services' own settings define it. */
  readonly replication?: Replication | undefined;
}

/** The replication with which services create topics. */
export interface Replication {
  readonly factor: number;
  readonly minInSync: number;
}

/** Returns the replication with which a cluster of several brokers can lose one. */
export function replicationOf(brokers: number): Replication {
  const factor = Math.min(brokers, 3);
  return { factor, minInSync: Math.max(1, factor - 1) };
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

/** Returns the URLs of all parts. A URL from the environment takes precedence over the stack's own. */
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
  const brokers = processNames.filter((name) => partOf(name) === 'kafka' && states[name]?.kind === 'managed');
  const cluster = external.kafka === undefined && brokers.length > 1 ? brokers : undefined;
  return {
    kafkaBrokers: cluster?.map((name) => states[name]?.url).join(',') ?? url('kafka'),
    schemaRegistryUrl: url('registry'),
    mongodbUri: url('mongo'),
    redisUrl: url('redis'),
    ...(cluster !== undefined && { replication: replicationOf(cluster.length) }),
  };
}

/** Returns the variables with which services create topics that the stack's brokers can replicate. */
export function replicationVariables({ replication }: StackUrls): Record<string, string> {
  if (replication === undefined) return {};
  return {
    KAFKA_REPLICATION_FACTOR: String(replication.factor),
    KAFKA_MIN_INSYNC_REPLICAS: String(replication.minInSync),
  };
}

/** Returns the URLs as lines of an environment file, with the replication if there are several brokers. */
export function envLines(urls: StackUrls): string[] {
  const redis = new URL(urls.redisUrl);
  return [
    `KAFKA_BROKERS=${urls.kafkaBrokers}`,
    `SCHEMA_REGISTRY_URL=${urls.schemaRegistryUrl}`,
    `MONGODB_URI=${urls.mongodbUri}`,
    `REDIS_URL=${urls.redisUrl}`,
    `REDIS_HOST=${redis.hostname}`,
    `REDIS_PORT=${redis.port || '6379'}`,
    ...Object.entries(replicationVariables(urls)).map(([variable, value]) => `${variable}=${value}`),
  ];
}
