import type { Topic } from '@bulk/contracts';
import { CodedError, DependencyError } from '@bulk/domain';
import { COMPATIBILITY, SchemaType, type SchemaRegistry } from '@kafkajs/confluent-schema-registry';

/** Returns the subject of a topic's values (Confluent's TopicNameStrategy). */
export function subjectOf(topic: string): string {
  return `${topic}-value`;
}

/** The levels of compatibility that keep services of two versions apart from trouble, the weaker one first. */
const ENOUGH = [COMPATIBILITY.FULL, COMPATIBILITY.FULL_TRANSITIVE] as const;
type Level = 'FULL' | 'FULL_TRANSITIVE';

/** Thrown if a subject promises less compatibility than services of two versions need side by side. */
export class SubjectCompatibilityError extends DependencyError {
  constructor(subject: string, level: string) {
    super(
      'SUBJECT_COMPATIBILITY',
      `subject ${subject} has compatibility ${level}; set it to FULL_TRANSITIVE (FULL is accepted)`,
      'unknown',
      undefined,
    );
  }
}

/** Thrown if a schema is not registered and this process does not register it. */
export class SchemaMissingError extends DependencyError {
  constructor(subject: string, name: string, cause: unknown) {
    super(
      'SCHEMA_MISSING',
      `subject ${subject} lacks this version's schema of ${name}, and REGISTER_SCHEMAS is false; the installer registers it (ops install)`,
      'unknown',
      cause,
    );
  }
}

/** Thrown if the registry refuses to register a schema. */
export class SchemaRightsError extends DependencyError {
  constructor(subject: string, cause: unknown) {
    super(
      'SCHEMA_RIGHTS_MISSING',
      `the registry's user may not write to subject ${subject}; grant it, or run the installer and set REGISTER_SCHEMAS=false`,
      'authorisation',
      cause,
    );
  }
}

interface Registration {
  /** The level that a subject gets which has none of its own. */
  readonly level: Level;
  /** Whether a lower level is raised to it. */
  readonly raise?: boolean;
}

/**
 * Registers the schema of a topic. A subject of at least FULL compatibility keeps its level, which may be one of an
 * administrator.
 *
 * @returns the id of the schema.
 * @throws SubjectCompatibilityError; SchemaRightsError; the registry's error.
 */
export async function registerSchema(
  registry: SchemaRegistry,
  { name, message }: Topic,
  { level, raise = false }: Registration,
): Promise<number> {
  const subject = subjectOf(name);
  const found = await compatibilityOf(registry, subject);
  const accepted = ENOUGH.find((each) => each === found);
  if (found !== undefined && accepted === undefined) throw new SubjectCompatibilityError(subject, found);
  const compatibility = accepted ?? COMPATIBILITY[level];
  try {
    const schema = { type: SchemaType.AVRO, schema: JSON.stringify(message.avro) } as const;
    const { id } = await registry.register(schema, { subject, compatibility });
    if (raise && ENOUGH.indexOf(compatibility) < ENOUGH.indexOf(COMPATIBILITY[level]))
      await requestsOf(registry).updateConfig({ subject, body: { compatibility: COMPATIBILITY[level] } });
    return id;
  } catch (error) {
    throw statusOf(error) === 403 ? new SchemaRightsError(subject, error) : error;
  }
}

/**
 * Returns the id of the registered schema of a topic.
 *
 * @throws SchemaMissingError; the registry's error.
 */
export async function lookUpSchema(registry: SchemaRegistry, { name, message }: Topic): Promise<number> {
  const subject = subjectOf(name);
  const schema = { type: SchemaType.AVRO, schema: JSON.stringify(message.avro) } as const;
  try {
    const response = await requestsOf(registry).registered({ subject, body: { schema: schema.schema } });
    return (response.data() as { readonly id: number }).id;
  } catch (error) {
    throw statusOf(error) === 404 ? new SchemaMissingError(subject, message.name, error) : error;
  }
}

/** Returns the level that a subject has of its own, or undefined if it has none. @throws the registry's error. */
async function compatibilityOf(registry: SchemaRegistry, subject: string): Promise<string | undefined> {
  try {
    const response = await requestsOf(registry).config({ subject });
    return (response.data() as { readonly compatibilityLevel: string }).compatibilityLevel.toUpperCase();
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

type Ask = (question: object) => Promise<{ data(): unknown }>;

/** The requests about subjects that the registry's client makes and does not offer. */
interface SubjectRequests {
  readonly config: Ask;
  readonly updateConfig: Ask;
  readonly registered: Ask;
}

function requestsOf(registry: SchemaRegistry): SubjectRequests {
  const api = Reflect.get(registry, 'api') as { readonly Subject?: SubjectRequests } | undefined;
  if (api?.Subject === undefined)
    throw new CodedError('REGISTRY_CLIENT_CHANGED', "the registry's client has no api: see subjects.ts");
  return api.Subject;
}

/** Returns the HTTP status of a failed request to the registry, if there was an answer. */
export function statusOf(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null && 'status' in error && typeof error.status === 'number'
    ? error.status
    : undefined;
}
