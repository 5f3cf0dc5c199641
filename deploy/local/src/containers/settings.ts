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

/** What the tests' infrastructure can be told by environment variables or `.env`; an empty value counts as absent. */
export const testStackSchema = z.object({
  TEST_STACK: z
    .enum(testStackKinds)
    .optional()
    .describe('Where the tests find their parts: containers, local or urls.'),
  TEST_IMAGE_KAFKA: image('apache/kafka:4.1.1').describe(
    'Kafka; configured by KAFKA_ variables as the official image is.',
  ),
  TEST_IMAGE_REGISTRY: image('apicurio/apicurio-registry-mem:2.6.13.Final').describe(
    'Apicurio Registry 2, serving on port 8080.',
  ),
  TEST_IMAGE_MONGODB: image('mongo:8').describe(
    'MongoDB with mongosh; its tag starts with the version, of 5 or later.',
  ),
  TEST_IMAGE_REDIS: image('redis:7.4').describe('Redis.'),
  TEST_IMAGE_RYUK: image('testcontainers/ryuk:0.14.0').describe(
    'Removes the containers of a run that was killed; done without when not at hand.',
  ),
  TEST_CONTAINERS_START_MS: z.coerce
    .number()
    .int()
    .min(1_000)
    .max(3_600_000)
    .default(300_000)
    .describe('How long all containers may take to be ready, pulls of images included, in ms.'),
});

/** The choice as it was asked for, and all that a stack of containers needs to know. */
export interface TestStackSettings {
  /** Absent: to be chosen by what is at hand. */
  readonly kind?: TestStackKind;
  readonly images: Readonly<Record<PartName, string>>;
  readonly reaperImage: string;
  readonly startMs: number;
  /** URL of each part that exists already; it is never started. */
  readonly external: Readonly<Partial<Record<PartName, string>>>;
}

/**
 * Reads the variables that concern the tests' infrastructure.
 *
 * @throws StackError `BAD_ENVIRONMENT` naming the first variable that is wrong.
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
