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
