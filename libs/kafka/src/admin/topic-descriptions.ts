import Decoder from 'kafkajs/src/protocol/decoder.js';
import Encoder from 'kafkajs/src/protocol/encoder.js';
import { createErrorFromCode } from 'kafkajs/src/protocol/error.js';
import { readCompactArray, skipTaggedFields, UUID_BYTES } from '../kafkajs-patches/flexible-versions.ts';
import type { RawBroker } from './raw-cluster.ts';

/** What a broker says of a topic. */
export interface TopicDescription {
  /** Why the broker describes nothing: the topic does not exist, or the user may not see it. */
  readonly error: Error | undefined;
  /** The topic id, or undefined if the cluster has none. */
  readonly id: string | undefined;
  readonly partitions: number;
  /** The operations that the user may do, as a bit field; undefined if the request did not ask or the broker does not say. */
  readonly operations: number | undefined;
}

const METADATA = 3;
/**
 * The first version with topic ids (Kafka 2.8); every later broker answers it. kafkajs stops at version 6.
 *
 * It is a flexible version: each length is written plus one, and (no) tagged fields follow.
 */
const VERSION = 10;
/** The id that a broker without topic ids returns. */
const NO_ID = '0'.repeat(UUID_BYTES * 2);
/** What a broker returns if it does not say which operations are allowed. */
const UNSAID = -2_147_483_648;

/**
 * Describes topics.
 *
 * @param withOperations also asks which operations the user may do. It costs the broker a check for each of them.
 * @returns topic name → description, or undefined if the broker is too old to be asked.
 * @throws kafkajs' error if the broker does not answer.
 */
export async function describeTopics(
  broker: RawBroker,
  topics: readonly string[],
  withOperations = false,
): Promise<ReadonlyMap<string, TopicDescription> | undefined> {
  if ((broker.versions[METADATA]?.maxVersion ?? 0) < VERSION) return undefined;
  return (await broker.connectionPool.send(request(topics, withOperations))) as ReadonlyMap<
    string,
    TopicDescription
  >;
}

function request(topics: readonly string[], withOperations: boolean): object {
  const encode = (): Promise<Encoder> => {
    const encoder = new Encoder()
      // The header's tagged fields: kafkajs writes a header of a version that has none.
      .writeUVarInt(0)
      .writeUVarInt(topics.length + 1);
    for (const topic of topics) {
      encoder.writeBuffer(Buffer.alloc(UUID_BYTES)).writeUVarIntString(topic).writeUVarInt(0);
    }
    const [create, ofCluster] = [false, false];
    encoder.writeBoolean(create).writeBoolean(ofCluster).writeBoolean(withOperations).writeUVarInt(0);
    return Promise.resolve(encoder);
  };
  return {
    request: { apiKey: METADATA, apiVersion: VERSION, apiName: 'Metadata', encode },
    response: {
      decode: (bytes: Buffer) => Promise.resolve(decode(bytes)),
      parse: (found: unknown) => Promise.resolve(found),
    },
  };
}

function decode(bytes: Buffer): ReadonlyMap<string, TopicDescription> {
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
  const descriptions = new Map<string, TopicDescription>();
  readCompactArray(decoder, () => {
    const code = decoder.readInt16();
    const name = decoder.readUVarIntString() ?? '';
    const id = decoder.readBytes(UUID_BYTES).toString('hex');
    decoder.readBoolean(); // internal
    let partitions = 0;
    readCompactArray(decoder, () => {
      partitions += 1;
      decoder.readInt16(); // error
      decoder.readInt32(); // partition
      decoder.readInt32(); // leader
      decoder.readInt32(); // leader epoch
      readCompactArray(decoder, () => decoder.readInt32()); // replicas
      readCompactArray(decoder, () => decoder.readInt32()); // in sync
      readCompactArray(decoder, () => decoder.readInt32()); // offline
      skipTaggedFields(decoder);
    });
    const operations = decoder.readInt32();
    skipTaggedFields(decoder);
    descriptions.set(name, {
      error: code === 0 ? undefined : createErrorFromCode(code),
      id: id === NO_ID ? undefined : id,
      partitions,
      operations: operations === UNSAID ? undefined : operations,
    });
  });
  return descriptions;
}
