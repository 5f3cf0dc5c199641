import type { FetchOptions } from 'kafkajs/src/broker/index.js';
import Decoder from 'kafkajs/src/protocol/decoder.js';
import Encoder from 'kafkajs/src/protocol/encoder.js';
import decodeMessages, { type Records } from 'kafkajs/src/protocol/requests/fetch/v4/decodeMessages.js';
import { readCompactArray, skipTaggedFields, UUID_BYTES } from './flexible-versions.ts';

/** Number of the Fetch request in the protocol. */
export const FETCH = 1;

/** The first version of Fetch that names topics by their ids (KIP-516, Kafka 3.1). kafkajs stops at version 11. */
export const FETCH_BY_ID = 13;

/** What kafkajs asks for. Values that it leaves to its protocol are undefined. */
export interface FetchArguments extends FetchOptions {
  readonly replicaId?: number;
  readonly isolationLevel?: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly rackId?: string;
}

/** The answer for one partition, in the form that kafkajs expects. */
export interface FetchedPartition {
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: string;
  readonly lastStableOffset: string;
  readonly lastStartOffset: string;
  readonly abortedTransactions: readonly { readonly producerId: string; readonly firstOffset: string }[];
  readonly preferredReadReplica: number;
  readonly messages: Records;
}

/** An answer to Fetch, in the form that kafkajs expects. */
export interface FetchAnswer {
  readonly throttleTime: 0;
  readonly clientSideThrottleTime: number;
  readonly errorCode: number;
  readonly sessionId: number;
  readonly responses: readonly { readonly topicName: string; readonly partitions: FetchedPartition[] }[];
}

/** Topic name → topic id, in hexadecimal digits. */
export type IdsByTopic = ReadonlyMap<string, string>;

/** An id that kafkajs' defaults and the protocol use for "none". */
const NONE = -1;
const READ_COMMITTED = 1;
/** The session of a client that keeps none. */
const NO_SESSION = { id: 0, epoch: NONE };

/** Encodes the body of a Fetch request, version 13. Every topic in it must have an id. */
export function encodeFetch(asked: FetchArguments, ids: IdsByTopic): Encoder {
  const { replicaId = NONE, isolationLevel = READ_COMMITTED, rackId = '' } = asked;
  const encoder = new Encoder()
    // The header's tagged fields: kafkajs writes a header of a version that has none.
    .writeUVarInt(0)
    .writeInt32(replicaId)
    .writeInt32(asked.maxWaitTime)
    .writeInt32(asked.minBytes)
    .writeInt32(asked.maxBytes)
    .writeInt8(isolationLevel)
    .writeInt32(NO_SESSION.id)
    .writeInt32(NO_SESSION.epoch)
    .writeUVarInt(asked.topics.length + 1);
  for (const { topic, partitions } of asked.topics) {
    encoder.writeBuffer(Buffer.from(ids.get(topic) ?? '', 'hex')).writeUVarInt(partitions.length + 1);
    for (const { partition, fetchOffset, maxBytes } of partitions) {
      encoder
        .writeInt32(partition)
        .writeInt32(NONE) // current leader epoch: kafkajs does not check it
        .writeInt64(fetchOffset)
        .writeInt32(NONE) // last fetched epoch: only for followers
        .writeInt64(NONE) // start of the log: only for followers
        .writeInt32(maxBytes)
        .writeUVarInt(0);
    }
    encoder.writeUVarInt(0);
  }
  return encoder
    .writeUVarInt(1) // no forgotten topics
    .writeUVarIntString(rackId)
    .writeUVarInt(0);
}

/** Decodes the answer to a Fetch request, version 13, for topics with these ids. */
export async function decodeFetch(bytes: Buffer, ids: IdsByTopic): Promise<FetchAnswer> {
  const names = new Map([...ids].map(([name, id]) => [id, name]));
  const decoder = new Decoder(bytes);
  skipTaggedFields(decoder);
  const clientSideThrottleTime = decoder.readInt32();
  const errorCode = decoder.readInt16();
  const sessionId = decoder.readInt32();
  const topics = readCompactArray(decoder, () => {
    const id = decoder.readBytes(UUID_BYTES).toString('hex');
    const partitions = readCompactArray(decoder, () => readPartition(decoder));
    skipTaggedFields(decoder);
    return { topicName: names.get(id) ?? id, partitions };
  });
  // The broker has not throttled the answer: since version 8, it expects the client to wait.
  const answer = { throttleTime: 0, clientSideThrottleTime, errorCode, sessionId } as const;
  const responses = [];
  for (const { topicName, partitions } of topics) {
    const decoded: FetchedPartition[] = [];
    for (const { records, ...partition } of partitions)
      decoded.push({ ...partition, messages: await decodeMessages(recordsReader(records)) });
    responses.push({ topicName, partitions: decoded });
  }
  return { ...answer, responses };
}

type EncodedPartition = Omit<FetchedPartition, 'messages'> & { readonly records: Buffer };

function readPartition(decoder: Decoder): EncodedPartition {
  const partition = {
    partition: decoder.readInt32(),
    errorCode: decoder.readInt16(),
    highWatermark: String(decoder.readInt64()),
    lastStableOffset: String(decoder.readInt64()),
    lastStartOffset: String(decoder.readInt64()),
    abortedTransactions: readCompactArray(decoder, () => {
      const transaction = {
        producerId: String(decoder.readInt64()),
        firstOffset: String(decoder.readInt64()),
      };
      skipTaggedFields(decoder);
      return transaction;
    }),
    preferredReadReplica: decoder.readInt32(),
    records: decoder.readBytes(Math.max(0, decoder.readUVarInt() - 1)),
  };
  skipTaggedFields(decoder);
  return partition;
}

/** Returns a reader of records as kafkajs expects them: behind their length, which older versions write as an int32. */
function recordsReader(records: Buffer): Pick<Decoder, 'readInt32' | 'canReadBytes' | 'readBytes'> {
  return {
    readInt32: () => records.length,
    canReadBytes: (length) => records.length >= length,
    readBytes: () => records,
  };
}
