import Connection from 'kafkajs/src/network/connection.js';

let mended = false;

/**
 * Has kafkajs 2.2.4 give up a connection on which a request got no answer in time, as Java's client does. It only fails the
 * request and sends the next one down the same connection: where that is dead without anybody having said so (a router that
 * has forgotten it, a host that is gone), every retry is lost as well, and a consumer comes back minutes later, by a crash.
 */
export function mendDeadConnections(): void {
  if (mended) return;
  mended = true;
  const send = Object.getOwnPropertyDescriptor(Connection.prototype, 'send')?.value as
    ((this: Connection, request: unknown) => Promise<unknown>) | undefined;
  // Another version may have mended it by itself.
  if (send === undefined) return;
  Connection.prototype.send = async function (this: Connection, request: unknown): Promise<unknown> {
    // A later connection must not pay for this one.
    const { socket } = this;
    try {
      return await send.call(this, request);
    } catch (error) {
      if (error instanceof Error && error.name === 'KafkaJSRequestTimeoutError') socket?.destroy(error);
      throw error;
    }
  };
}
