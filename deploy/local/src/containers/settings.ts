import { z } from 'zod';
import { type Environment, readStackEnvironment } from '../env.ts';
import { StackError } from '../errors.ts';
import type { PartName } from '../state.ts';

export const testStackKinds = ['containers', 'local', 'urls'] as const;
export type TestStackKind = (typeof testStackKinds)[number];

const image = (standard: string): z.ZodDefault<z.ZodString> =>
  z
    .string()
    .regex(/^[\w.-]+(:\d+)?(\/[\w.-]+)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$/, 'not the name of an image')
    .default(standard);

/** The settings of the tests' infrastructure, from environment variables or `.env`. An empty value counts as absent. */
export const testStackSchema = z.object({
  TEST_STACK: z
    .enum(testStackKinds)
    .optional()
    .describe('Source of the parts for the tests: containers, local or urls.'),
  TEST_IMAGE_KAFKA: image('apache/kafka:4.1.1').describe(
    'Image of Kafka. KAFKA_ variables must configure it, as they do the official image.',
  ),
  TEST_IMAGE_REGISTRY: image('apicurio/apicurio-registry-mem:2.6.13.Final').describe(
    'Image of Apicurio Registry 2, serving on port 8080.',
  ),
  TEST_IMAGE_MONGODB: image('mongo:8').describe(
    'Image of MongoDB with mongosh. Its tag starts with the version, 5 or later.',
  ),
  TEST_IMAGE_REDIS: image('redis:7.4').describe('Image of Redis.'),
  TEST_IMAGE_RYUK: image('testcontainers/ryuk:0.14.0').describe(
    'Image that removes the containers of a killed run. It is not used if it is not on this machine.',
  ),
  TEST_CONTAINERS_START_MS: z.coerce
    .number()
    .int()
    .min(1_000)
    .max(3_600_000)
    .default(300_000)
    .describe('Maximum time until all containers are ready, in ms, including pulls of images.'),
});

/** The requested choice, and all settings of a stack of containers. */
export interface TestStackSettings {
  /** The requested kind; absent: chosen by what is available. */
  readonly kind?: TestStackKind;
  readonly images: Readonly<Record<PartName, string>>;
  readonly reaperImage: string;
  readonly startMs: number;
  /** URL of each existing part, which is never started. */
  readonly external: Readonly<Partial<Record<PartName, string>>>;
}

/**
 * Reads the variables of the tests' infrastructure.
 *
 * @throws StackError `BAD_ENVIRONMENT` naming the first invalid variable.
 */
export function readTestStackSettings(environment: Environment): TestStackSettings {
  const given = Object.fromEntries(
    Object.keys(testStackSchema.shape).map((key) => [key, environment[key]?.trim() || undefined]),
  );
  const parsed = testStackSchema.safeParse(given);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const variable = String(issue?.path[0] ?? 'environment');
    const said = given[variable] === undefined ? '' : ` ("${given[variable]}")`;
    throw new StackError(
      'BAD_ENVIRONMENT',
      `${variable}${said}: ${issue?.message ?? 'invalid'}`,
      `unset ${variable}   # or correct it, also in .env`,
    );
  }
  const values = parsed.data;
  return {
    ...(values.TEST_STACK !== undefined && { kind: values.TEST_STACK }),
    images: {
      kafka: values.TEST_IMAGE_KAFKA,
      registry: values.TEST_IMAGE_REGISTRY,
      mongo: values.TEST_IMAGE_MONGODB,
      redis: values.TEST_IMAGE_REDIS,
    },
    reaperImage: values.TEST_IMAGE_RYUK,
    startMs: values.TEST_CONTAINERS_START_MS,
    external: readStackEnvironment(environment).external,
  };
}
