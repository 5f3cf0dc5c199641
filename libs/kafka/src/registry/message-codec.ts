import { MalformedMessageError, type MessageType, type Topic } from '@bulk/contracts';
import { DependencyError, type FaultKind } from '@bulk/domain';
import { SchemaRegistry } from '@kafkajs/confluent-schema-registry';
import avsc from 'avsc';
import type { KafkaConfig } from '../client/config.ts';
import { registryAccess } from '../client/connection.ts';
import { lookUpSchema, registerSchema, statusOf, subjectOf } from './subjects.ts';

/** Code of a RegistryUnavailableError. */
export const SCHEMA_REGISTRY_UNAVAILABLE = 'SCHEMA_REGISTRY_UNAVAILABLE';

/**
 * Kind of fault → HTTP statuses of the registry. Any other status is `unknown`, except the 404 of an unknown schema.
 */
export const REGISTRY_STATUSES: Readonly<Partial<Record<FaultKind, readonly number[]>>> = {
  unreachable: [408, 502, 503, 504],
  authentication: [401],
  authorisation: [403],
  quota: [429],
  'disk-full': [507],
};

/** Thrown if the Schema Registry does not answer or refuses. The message at hand may be valid. */
export class RegistryUnavailableError extends DependencyError {
  constructor(cause: unknown) {
    const fault = registryFault(cause);
    super(SCHEMA_REGISTRY_UNAVAILABLE, `Schema Registry (${fault}): ${messageOf(cause)}`, fault, cause);
  }
}

/**
 * Returns why the registry failed a request. Never `request`: that needs a second check (see `MessageCodec.decode`).
 */
export function registryFault(error: unknown): FaultKind {
  const status = statusOf(error);
  if (status === undefined) return 'unreachable';
  const found = Object.entries(REGISTRY_STATUSES).find(([, statuses]) => statuses.includes(status));
  return (found?.[0] as FaultKind | undefined) ?? 'unknown';
}

/** Confluent's wire format: this byte, the schema id as a 32-bit big-endian integer, the Avro body. */
const MAGIC_BYTE = 0;
const HEADER_BYTES = 5;

type Resolve = (body: Buffer) => unknown;

/** Encodes and decodes Avro in Confluent's wire format, with schemas that are registered under at least FULL compatibility. */
export class MessageCodec {
  readonly #registry: SchemaRegistry;
  readonly #ids: ReadonlyMap<string, number>;
  /**
   * One compiled reader per message type and writer's schema id. The registry client's own `decode` with a reader
   * schema compiles that schema again for every message, which costs more than the decoding.
   */
  readonly #readers = new Map<string, Resolve>();

  private constructor(registry: SchemaRegistry, ids: ReadonlyMap<string, number>) {
    this.#registry = registry;
    this.#ids = ids;
  }

  /**
   * Opens a codec for these topics: registers their schemas, or looks them up if REGISTER_SCHEMAS is false. Registering
   * the same schema again changes nothing.
   *
   * @throws SchemaMissingError if a schema is not registered and REGISTER_SCHEMAS is false.
   * @throws SubjectCompatibilityError if a subject promises less than FULL compatibility.
   * @throws the registry's error if it is unavailable, or if a schema is not compatible with the registered ones.
   */
  static open(config: KafkaConfig, topics: readonly Topic[]): Promise<MessageCodec> {
    const level = config.SCHEMA_COMPATIBILITY;
    return MessageCodec.#with(config, topics, (registry, topic) =>
      config.REGISTER_SCHEMAS ? registerSchema(registry, topic, { level }) : lookUpSchema(registry, topic),
    );
  }

  /**
   * Registers the schema of every topic and raises the compatibility of the subjects to SCHEMA_COMPATIBILITY.
   *
   * @throws as `open` does.
   */
  static install(config: KafkaConfig, topics: readonly Topic[]): Promise<MessageCodec> {
    const level = config.SCHEMA_COMPATIBILITY;
    return MessageCodec.#with(config, topics, (registry, topic) =>
      registerSchema(registry, topic, { level, raise: true }),
    );
  }

  static async #with(
    config: KafkaConfig,
    topics: readonly Topic[],
    idOf: (registry: SchemaRegistry, topic: Topic) => Promise<number>,
  ): Promise<MessageCodec> {
    const registry = new SchemaRegistry(registryAccess(config));
    const ids = new Map<string, number>();
    for (const topic of topics) ids.set(topic.name, await idOf(registry, topic));
    return new MessageCodec(registry, ids);
  }

  /** Checks that the registry answers. @throws RegistryUnavailableError if it does not. */
  async ping(): Promise<void> {
    const [topic = ''] = this.#ids.keys();
    try {
      await this.#registry.getLatestSchemaId(subjectOf(topic));
    } catch (cause) {
      throw new RegistryUnavailableError(cause);
    }
  }

  /**
   * Encodes a value for a topic. @throws MalformedMessageError if the topic has no schema or the value does not fit it.
   */
  async encode(topic: string, value: unknown): Promise<Buffer> {
    const id = this.#ids.get(topic);
    if (id === undefined) throw new MalformedMessageError(`no schema is registered for topic ${topic}`);
    return this.#registry.encode(id, value);
  }

  /**
   * Decodes a message with its writer's schema into the current shape.
   *
   * @throws MalformedMessageError if the bytes are not such a message; a retry never helps.
   * @throws RegistryUnavailableError if the writer's schema cannot be looked up now.
   */
  async decode<T>(type: MessageType<T>, bytes: Buffer | null): Promise<T> {
    if (bytes === null || bytes.length < HEADER_BYTES || bytes[0] !== MAGIC_BYTE) {
      throw new MalformedMessageError(`expected a ${type.name} in Confluent's wire format`);
    }
    const read = await this.#reader(type, bytes.readInt32BE(1));
    try {
      return type.schema.parse(read(bytes.subarray(HEADER_BYTES)));
    } catch (cause) {
      throw new MalformedMessageError(`expected a ${type.name}: ${messageOf(cause)}`, cause);
    }
  }

  async #reader(type: MessageType<unknown>, schemaId: number): Promise<Resolve> {
    const key = `${type.name}:${schemaId}`;
    const known = this.#readers.get(key);
    if (known !== undefined) return known;
    const writer = await this.#writerSchema(type, schemaId);
    const reader = avsc.Type.forSchema(type.avro as avsc.Schema, { omitRecordMethods: true });
    let resolve: Resolve;
    try {
      const resolver = reader.createResolver(writer);
      resolve = (body) => reader.fromBuffer(body, resolver) as unknown;
    } catch (cause) {
      throw new MalformedMessageError(
        `expected a ${type.name}, found schema id ${schemaId} of another type`,
        cause,
      );
    }
    this.#readers.set(key, resolve);
    return resolve;
  }

  async #writerSchema(type: MessageType<unknown>, schemaId: number): Promise<avsc.Type> {
    try {
      return (await this.#registry.getSchema(schemaId)) as unknown as avsc.Type;
    } catch (cause) {
      if (statusOf(cause) !== 404) throw new RegistryUnavailableError(cause);
      // A registry that knows none of our schemas has lost them, or is another one. The message is not at fault.
      await this.ping();
      throw new MalformedMessageError(`expected a ${type.name}, schema id ${schemaId} is unknown`, cause);
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
