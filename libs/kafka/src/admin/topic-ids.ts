import { CodedError } from '@bulk/domain';
import type { Kafka } from 'kafkajs';
import Decoder from 'kafkajs/src/protocol/decoder.js';
import Encoder from 'kafkajs/src/protocol/encoder.js';
import { createErrorFromCode } from 'kafkajs/src/protocol/error.js';
import { KafkaUnavailableError } from '../client/errors.ts';
import { readCompactArray, skipTaggedFields, UUID_BYTES } from '../kafkajs-patches/flexible-versions.ts';

/**
 * Topic name → topic id. A topic that is deleted and created again gets another id; its name and offsets do not show
 * that.
 */
export type TopicIdsByName = ReadonlyMap<string, string>;

const METADATA = 3;
/** The first version with topic ids (Kafka 2.8); every later broker answers it. kafkajs stops at version 6. */
const VERSION = 10;
/** The id that a broker without topic ids returns. */
const NO_ID = '0'.repeat(UUID_BYTES * 2);

/** The parts that we use of a cluster and a broker of kafkajs 2.2.4, which keeps them behind a symbol. */
interface KafkajsCluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  readonly brokerPool: {
    findConnectedBroker(): Promise<{
      readonly versions: Readonly<Record<number, { readonly maxVersion: number } | undefined>>;
      readonly connectionPool: { send(request: unknown): Promise<unknown> };
    }>;
  };
}

/**
 * Asks the cluster for topic ids. It sends a request that kafkajs does not have, on a connection that it keeps open.
 */
export class TopicIds {
  readonly #kafka: Kafka;
  #cluster: KafkajsCluster | undefined;

  constructor(kafka: Kafka) {
    this.#kafka = kafka;
  }

  /**
   * Returns the id of each topic, or an empty map if the cluster has no topic ids.
   *
   * @throws KafkaUnavailableError if no broker answers, or one of the topics does not exist.
   */
  async of(topics: readonly string[]): Promise<TopicIdsByName> {
    try {
      this.#cluster ??= clusterOf(this.#kafka);
      await this.#cluster.connect();
      const { versions, connectionPool } = await this.#cluster.brokerPool.findConnectedBroker();
      if ((versions[METADATA]?.maxVersion ?? 0) < VERSION) return new Map();
      const found = (await connectionPool.send(metadataRequest(topics))) as TopicIdsByName;
      return new Map([...found].filter(([, id]) => id !== NO_ID));
    } catch (error) {
      await this.close();
      throw new KafkaUnavailableError(error);
    }
  }

  async close(): Promise<void> {
    const cluster = this.#cluster;
    this.#cluster = undefined;
    // A broken connection may fail to close.
    await cluster?.disconnect().catch(() => undefined);
  }
}

function clusterOf(kafka: Kafka): KafkajsCluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find(
    ({ description }) => description === 'private:Kafka:createCluster',
  );
  const create: unknown = symbol === undefined ? undefined : Reflect.get(kafka, symbol);
  if (typeof create !== 'function')
    throw new CodedError('KAFKAJS_CHANGED', 'kafkajs has no createCluster any more: see topic-ids.ts');
  return (create as (options: object) => KafkajsCluster)({
    allowAutoTopicCreation: false,
    metadataMaxAge: 300_000,
  });
}

/**
 * Builds a Metadata request, version 10. It is a flexible version: each length is written plus one, and (no) tagged
 * fields follow.
 */
function metadataRequest(topics: readonly string[]): object {
  const encode = (): Promise<Encoder> => {
    const encoder = new Encoder()
      // The header's tagged fields: kafkajs writes a header of a version that has none.
      .writeUVarInt(0)
      .writeUVarInt(topics.length + 1);
    for (const topic of topics) {
      encoder.writeBuffer(Buffer.alloc(UUID_BYTES)).writeUVarIntString(topic).writeUVarInt(0);
    }
    const [create, ofCluster, ofTopics] = [false, false, false];
    encoder.writeBoolean(create).writeBoolean(ofCluster).writeBoolean(ofTopics).writeUVarInt(0);
    return Promise.resolve(encoder);
  };
  return {
    request: { apiKey: METADATA, apiVersion: VERSION, apiName: 'Metadata', encode },
    response: {
      decode: (bytes: Buffer) => Promise.resolve(decodeTopicIds(bytes)),
      parse: (ids: TopicIdsByName) => Promise.resolve(ids),
    },
  };
}

/** Decodes a Metadata response. @throws kafkajs' error if a topic has one, for example because it does not exist. */
function decodeTopicIds(bytes: Buffer): TopicIdsByName {
  const decoder = new Decoder(bytes);
  skipTaggedFields(decoder);
  decoder.readInt32(); // throttle time
  readCompactArray(decoder, () => {
    decoder.readInt32(); // node id
    decoder.readUVarIntString(); // host
    decoder.readInt32(); // port
    decoder.readUVarIntString(); // rack
    skipTaggedFields(decoder);
  });
  decoder.readUVarIntString(); // cluster id
  decoder.readInt32(); // controller id
  const ids = new Map<string, string>();
  readCompactArray(decoder, () => {
    const error = decoder.readInt16();
    const name = decoder.readUVarIntString() ?? '';
    const id = decoder.readBytes(UUID_BYTES).toString('hex');
    decoder.readBoolean(); // internal
    readCompactArray(decoder, () => {
      decoder.readInt16(); // error
      decoder.readInt32(); // partition
      decoder.readInt32(); // leader
      decoder.readInt32(); // leader epoch
      readCompactArray(decoder, () => decoder.readInt32()); // replicas
      readCompactArray(decoder, () => decoder.readInt32()); // in sync
      readCompactArray(decoder, () => decoder.readInt32()); // offline
      skipTaggedFields(decoder);
    });
    decoder.readInt32(); // authorised operations
    skipTaggedFields(decoder);
    if (error !== 0) throw createErrorFromCode(error);
    ids.set(name, id);
  });
  return ids;
}
