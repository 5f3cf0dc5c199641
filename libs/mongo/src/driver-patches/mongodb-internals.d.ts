/** The part that `unfinished-writes.ts` fixes; the driver publishes no types of it. */
declare module 'mongodb/lib/cmap/connection.js' {
  import type { Socket } from 'node:net';

  export class Connection {
    readonly closed: boolean;
    readonly socket: Socket;
    cleanup(error: Error): void;
  }
}
