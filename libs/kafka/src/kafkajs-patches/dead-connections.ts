import Connection from 'kafkajs/src/network/connection.js';

let mended = false;

/**
 * Makes kafkajs 2.2.4 close a connection on which a request got no answer in time, as Java's client does.
 *
 * kafkajs only fails the request and sends the next one on the same connection. If that connection is silently dead (a
 * router has forgotten it, or its host is gone), every retry is lost too, and a consumer returns minutes later, by a
 * crash.
 */
export function mendDeadConnections(): void {
  if (mended) return;
  mended = true;
  const send = Object.getOwnPropertyDescriptor(Connection.prototype, 'send')?.value as
    ((this: Connection, request: unknown) => Promise<unknown>) | undefined;
  // A later version of kafkajs may have fixed the fault.
  if (send === undefined) return;
  Connection.prototype.send = async function (this: Connection, request: unknown): Promise<unknown> {
    // Keeps the present socket, so that a later connection is not closed for the fault of this one.
    const { socket } = this;
    try {
      return await send.call(this, request);
    } catch (error) {
      if (error instanceof Error && error.name === 'KafkaJSRequestTimeoutError') socket?.destroy(error);
      throw error;
    }
  };
}
