/** What `request-queue.ts` mends; kafkajs has no types of it. */
declare module 'kafkajs/src/network/requestQueue/index.js' {
  export default class RequestQueue {
    readonly pending: readonly unknown[];
    scheduleCheckPendingRequests(): void;
  }
}

/** What `dead-connections.ts` mends. */
declare module 'kafkajs/src/network/connection.js' {
  import type { Socket } from 'node:net';

  export default class Connection {
    readonly socket: Socket | null | undefined;
    send(request: unknown): Promise<unknown>;
  }
}

/** What `leaderless-partitions.ts` fixes. */
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

/** For tests: how kafkajs sends, with brokers of the test's own. */
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
  export class KafkaJSProtocolError extends Error {
    constructor(error: object);
  }
}
