/** The part that `request-queue.ts` fixes; kafkajs publishes no types of it. */
declare module 'kafkajs/src/network/requestQueue/index.js' {
  export default class RequestQueue {
    readonly pending: readonly unknown[];
    scheduleCheckPendingRequests(): void;
  }
}

/** The part that `dead-connections.ts` fixes. */
declare module 'kafkajs/src/network/connection.js' {
  import type { Socket } from 'node:net';

  export default class Connection {
    readonly socket: Socket | null | undefined;
    send(request: unknown): Promise<unknown>;
  }
}

/** Enums of kafkajs that Node does not find among the exports of a CommonJS module. */
declare module 'kafkajs/src/protocol/configResourceTypes.js' {
  import type { ConfigResourceTypes } from 'kafkajs';

  const types: typeof ConfigResourceTypes;
  export default types;
}
declare module 'kafkajs/src/protocol/configSource.js' {
  import type { ConfigSource } from 'kafkajs';

  const sources: typeof ConfigSource;
  export default sources;
}

/** Requests that kafkajs does not have are encoded with this class. */
declare module 'kafkajs/src/protocol/encoder.js' {
  export default class Encoder {
    readonly buffer: Buffer;
    writeBoolean(value: boolean): this;
    writeInt8(value: number): this;
    writeInt32(value: number): this;
    writeInt64(value: number | string): this;
    writeBuffer(value: Buffer): this;
    writeString(value: string): this;
    writeUVarInt(value: number): this;
    writeUVarIntString(value: string): this;
  }
}

/** Answers to those requests are decoded with this class. */
declare module 'kafkajs/src/protocol/decoder.js' {
  export default class Decoder {
    constructor(buffer: Buffer);
    canReadBytes(length: number): boolean;
    forward(size: number): void;
    readInt16(): number;
    readInt32(): number;
    readInt64(): bigint;
    readBoolean(): boolean;
    /** @param length by default, a length of 32 bits precedes the bytes. */
    readBytes(length?: number): Buffer;
    readString(): string | null;
    readUVarInt(): number;
    readUVarIntString(): string | null;
  }
}

declare module 'kafkajs/src/protocol/error.js' {
  export function createErrorFromCode(code: number): Error;
}

/** The parts that `fetch-by-id.ts` fixes. */
declare module 'kafkajs/src/cluster/index.js' {
  import type Broker from 'kafkajs/src/broker/index.js';
  import type BrokerPool from 'kafkajs/src/cluster/brokerPool.js';

  export default class Cluster {
    readonly brokerPool: BrokerPool;
    findBroker(options: { readonly nodeId: string }): Promise<Broker>;
  }
}
declare module 'kafkajs/src/broker/index.js' {
  export interface FetchOptions {
    readonly maxWaitTime: number;
    readonly topics: readonly {
      readonly topic: string;
      readonly partitions: readonly {
        readonly partition: number;
        readonly fetchOffset: string;
        readonly maxBytes: number;
      }[];
    }[];
  }
  /** The versions of a request that kafkajs has. */
  export interface FetchDefinitions {
    readonly protocol: (options: { readonly version: number }) => (options: object) => object;
  }

  export default class Broker {
    constructor(options: object);
    apiVersions(): Promise<Readonly<Record<number, { readonly maxVersion: number } | undefined>>>;
    fetch(options: FetchOptions): Promise<{ readonly responses: readonly object[] }>;
    lookupRequest(apiKey: number, definitions: FetchDefinitions): (options: object) => object;
  }
}
declare module 'kafkajs/src/protocol/requests/fetch/v11/response.js' {
  const response: { parse: <T>(answer: T) => Promise<T> };
  export default response;
}
declare module 'kafkajs/src/protocol/requests/fetch/v4/decodeMessages.js' {
  /** What kafkajs makes of the records of a partition. */
  export type Records = readonly { readonly offset: string; readonly value: Buffer | null }[];

  /** Decodes what it reads as a length and as many bytes. */
  export default function decodeMessages(decoder: {
    readInt32(): number;
    canReadBytes(length: number): boolean;
    readBytes(length: number): Buffer;
  }): Promise<Records>;
}

/** The part that `memberships.ts` fixes. */
declare module 'kafkajs/src/consumer/consumerGroup.js' {
  import type { Batch } from 'kafkajs';

  export default class ConsumerGroup {
    readonly cluster: object;
    readonly generationId: number | null;
    readonly memberId: string | null;
    readonly offsetManager: {
      commitOffsets(offsets: {
        readonly topics: readonly {
          readonly topic: string;
          readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
        }[];
      }): Promise<void>;
    };
    /** When the last heartbeat was answered, on the wall clock. */
    lastRequest: number;
    maxWaitTime: number;
    maxBytesPerPartition: number;
    assigned(): { readonly topic: string; readonly partitions: readonly number[] }[];
    heartbeat(options: { interval: number }): Promise<void>;
    fetch(nodeId: number): Promise<Batch[]>;
    joinAndSync(): Promise<void>;
    leave(): Promise<void>;
  }
}

/** The part that `stopped-fetchers.ts` fixes. */
declare module 'kafkajs/src/consumer/runner.js' {
  export default class Runner {
    constructor(options: object);
    running: boolean;
    start(): Promise<void>;
    stop(): Promise<void>;
    fetch(nodeId: number): Promise<unknown>;
  }
}

/** The part that `leaderless-partitions.ts` fixes. */
declare module 'kafkajs/src/protocol/requests/metadata/v6/response.js' {
  interface Metadata {
    readonly topicMetadata: readonly {
      readonly partitionMetadata: readonly { readonly partitionErrorCode: number; readonly leader: number }[];
    }[];
  }
  const response: { parse: (data: Metadata) => Promise<Metadata> };
  export default response;
}

declare module 'kafkajs/src/cluster/brokerPool.js' {
  export default class BrokerPool {
    readonly metadata: {
      readonly topicMetadata: readonly {
        readonly partitionMetadata: readonly { readonly leader: number }[];
      }[];
    } | null;
    metadataExpireAt: number | null;
    refreshMetadata(topics: string[]): Promise<void>;
  }
}

/** For tests: the whole request, with its length and its header. */
declare module 'kafkajs/src/protocol/request.js' {
  export default function createRequest(options: {
    readonly correlationId: number;
    readonly clientId: string;
    readonly request: object;
  }): Promise<{ readonly buffer: Buffer }>;
}

/** For tests: the sending of kafkajs, with the test's own brokers. */
declare module 'kafkajs/src/producer/sendMessages.js' {
  import type { RecordMetadata } from 'kafkajs';

  export default function createSendMessages(
    parts: object,
  ): (batch: {
    readonly acks: number;
    readonly topicMessages: readonly { readonly topic: string; readonly messages: readonly object[] }[];
  }) => Promise<RecordMetadata[]>;
}

declare module 'kafkajs/src/retry/index.js' {
  export default function createRetry(options: object): unknown;
}

declare module 'kafkajs/src/errors.js' {
  export { KafkaJSConnectionError, KafkaJSError } from 'kafkajs';
  export class KafkaJSProtocolError extends Error {
    constructor(error: object);
  }
}
