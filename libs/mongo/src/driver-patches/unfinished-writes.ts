import { Connection } from 'mongodb/lib/cmap/connection.js';

let ends = false;

/**
 * Makes the driver (found in 7.9.0) end a command that is not sent yet when its connection closes.
 *
 * A command that does not fit into the buffer of its socket waits for the socket's `drain` or `error`. A socket that
 * ends, or that the driver destroys after a timeout, has neither: it only closes. The command then never ends, whatever
 * its timeouts are. With the patch it gets the reason as the error of the socket.
 */
export function endUnfinishedWrites(): void {
  if (ends) return;
  ends = true;
  const cleanup = Object.getOwnPropertyDescriptor(Connection.prototype, 'cleanup')?.value as
    ((this: Connection, error: Error) => void) | undefined;
  // A later version of the driver may have fixed the fault.
  if (cleanup === undefined) return;
  Connection.prototype.cleanup = function (this: Connection, error) {
    const wasClosed = this.closed;
    cleanup.call(this, error);
    // The driver itself listens to errors, and closes the connection again.
    if (!wasClosed && this.socket.listenerCount('drain') > 0) this.socket.emit('error', error);
  };
}
