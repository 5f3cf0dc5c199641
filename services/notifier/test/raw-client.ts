import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { eventually } from '@bulk/testing';

/** Number of calls without any bytes leaving after which no more will leave. */
const CALLS_IN_VAIN = 200;
const TEXT = 0x1;

/** A minimal WebSocket client. It answers no ping, and reads only when the test calls for it. */
export class RawClient {
  readonly socket: Socket;
  /** Every text frame so far. */
  readonly texts: string[] = [];
  upgraded = false;
  closed = false;
  #rest = Buffer.alloc(0);
  #sent = 0;
  #callsInVain = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('error', () => undefined);
    socket.on('close', () => (this.closed = true));
  }

  static async connect(port: number, account: string): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1');
    const client = new RawClient(socket);
    const key = randomBytes(16).toString('base64');
    socket.write(
      `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
        `Sec-WebSocket-Key: ${key}\r\nx-account-id: ${account}\r\n\r\n`,
    );
    await eventually('the handshake', () => client.upgraded);
    return client;
  }

  send(event: string, data?: string): void {
    this.socket.write(frame(TEXT, Buffer.from(JSON.stringify({ event, data }))));
  }

  /**
   * Sends many frames in one write that are not JSON. Each is answered with an error more than
   * twice its size.
   */
  sendJunk(count: number): void {
    this.socket.write(
      Buffer.concat(Array.from({ length: count }, () => frame(TEXT, Buffer.alloc(125, 'x')))),
    );
  }

  /**
   * Sends junk, each piece of which is answered with more than its size, until no more bytes leave.
   *
   * Then every buffer in both directions is full, and the server has stopped reading. Call it
   * repeatedly. It counts calls and not time, because the notifier runs in the same event loop, and
   * a machine that stands still for a while is not a server that has stalled.
   */
  fillsUp(): boolean {
    while (this.socket.writableLength === 0) this.sendJunk(500);
    const sent = this.socket.bytesWritten - this.socket.writableLength;
    this.#callsInVain = sent === this.#sent ? this.#callsInVain + 1 : 0;
    this.#sent = sent;
    return this.#callsInVain >= CALLS_IN_VAIN;
  }

  #receive(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    if (!this.upgraded) {
      const end = this.#rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.upgraded = true;
      this.#rest = this.#rest.subarray(end + 4);
    }
    this.#rest = this.#rest.subarray(this.#parse(this.#rest));
  }

  /** @returns the number of bytes in complete frames. */
  #parse(bytes: Buffer): number {
    for (let at = 0; ;) {
      const short = (bytes[at + 1] ?? 0) & 0x7f;
      const start = at + (short < 126 ? 2 : 4);
      if (bytes.length < start) return at;
      const end = start + (short < 126 ? short : bytes.readUInt16BE(at + 2));
      if (bytes.length < end) return at;
      if ((bytes[at]! & 0x0f) === TEXT) this.texts.push(bytes.toString('utf8', start, end));
      at = end;
    }
  }
}

/**
 * Builds a client's frame of less than 126 bytes. The mask is zero, which leaves the payload as it
 * is.
 */
function frame(opcode: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}
