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
