import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { portRewriter, type Rewrite } from './advertised-address.ts';

/** Both ends of a connection of a client. */
interface Connection {
  readonly near: Socket;
  readonly far: Socket;
  /** Whether the connection is dead, whatever happens to the link. */
  hung: boolean;
}

/** Never resolves. */
const NEVER = new Promise<never>(() => undefined);

/**
 * A TCP link to a server, with which a test takes the server from its clients in the ways of a network:
 *
 * - cut (`break`): connections end, and new ones are ended at once;
 * - black hole (`blackHole`): connections stay, new ones are accepted, and nothing passes in either direction. At
 *   `restore` the pending data arrives, late, as after TCP's retransmissions: also a request that its client has given up;
 * - dead connections (`hang`): the present ones never pass anything again, as if a router has forgotten them; new ones
 *   do;
 * - delay (`delay`): everything arrives later.
 *
 * `restore` ends the first two, `delay(0)` the last.
 */
export class BreakableLink {
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #rewrites: readonly Rewrite[] = [];
  #broken = false;
  #delayMs = 0;
  #opened = 0;
  /** Set while nothing passes: lets data pass again. */
  #fill: (() => void) | undefined;
  #filled = Promise.resolve();

  private constructor(host: string, port: number) {
    this.#server = createServer((near) => {
      if (this.#broken) {
        near.destroy();
        return;
      }
      this.#opened += 1;
      this.#carry({ near, far: connect(port, host), hung: false });
    });
  }

  /** Opens a link to a server, on a free port of this machine. */
  static async to(host: string, port: number): Promise<BreakableLink> {
    const link = new BreakableLink(host, port);
    await new Promise<void>((resolve) => link.#server.listen(0, '127.0.0.1', resolve));
    return link;
  }

  /**
   * Opens a link to a Kafka with one broker on this machine.
   *
   * @param brokers as in `KAFKA_BROKERS`.
   * @throws Error if there are several brokers, or none.
   */
  static async toKafka(brokers: string): Promise<BreakableLink> {
    if (brokers.includes(',')) throw new Error(`a link leads to one broker, not to ${brokers}`);
    const [link] = await BreakableLink.toBrokers(brokers);
    if (link === undefined) throw new Error('a link leads to one broker, not to none');
    return link;
  }

  /**
   * Opens a link to each broker of a Kafka on this machine. Clients of Kafka connect to the addresses that brokers
   * advertise, so every link rewrites them to the addresses of the links. Brokers reach each other without the links.
   *
   * @param brokers as in `KAFKA_BROKERS`.
   * @returns the links, in the order of the brokers.
   */
  static async toBrokers(brokers: string): Promise<BreakableLink[]> {
    const links: BreakableLink[] = [];
    const rewrites: Rewrite[] = [];
    for (const broker of brokers.split(',')) {
      const [host = '', port = ''] = broker.split(':');
      if (host === '' || port === '') throw new Error(`expected host:port, found ${broker}`);
      const link = await BreakableLink.to(host, Number(port));
      links.push(link);
      rewrites.push({ host, from: Number(port), to: link.port });
    }
    for (const link of links) link.#rewrites = rewrites;
    return links;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Number of connections that were made through the link so far. */
  get opened(): number {
    return this.#opened;
  }

  break(): void {
    this.#broken = true;
    for (const connection of this.#connections) end(connection);
  }

  blackHole(): void {
    if (this.#fill !== undefined) return;
    this.#filled = new Promise((resolve) => {
      this.#fill = resolve;
    });
  }

  hang(): void {
    for (const connection of this.#connections) connection.hung = true;
  }

  /** @param ms delay of each piece of data from now on. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** Ends `break` and `blackHole`. */
  restore(): void {
    this.#broken = false;
    this.#fill?.();
    this.#fill = undefined;
  }

  async close(): Promise<void> {
    this.break();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #carry(connection: Connection): void {
    const { near, far } = connection;
    this.#connections.add(connection);
    for (const socket of [near, far]) {
      socket.on('error', () => end(connection));
      socket.on('close', () => {
        if (near.destroyed && far.destroyed) this.#connections.delete(connection);
      });
    }
    const answers = this.#rewrites.length === 0 ? same : portRewriter(...this.#rewrites);
    for (const pumped of [
      this.#pump(near, far, connection, same),
      this.#pump(far, near, connection, answers),
    ])
      pumped.catch(() => end(connection));
  }

  async #pump(
    from: Socket,
    to: Socket,
    connection: Connection,
    change: (piece: Buffer) => Buffer,
  ): Promise<void> {
    for await (const piece of from) {
      if (this.#delayMs > 0) await sleep(this.#delayMs);
      await this.#passage(connection);
      if (!to.write(change(piece as Buffer)) && !to.destroyed) await once(to, 'drain');
    }
    await this.#passage(connection);
    to.end();
  }

  async #passage(connection: Connection): Promise<void> {
    while (this.#fill !== undefined) await this.#filled;
    if (connection.hung) await NEVER;
  }
}

function end({ near, far }: Connection): void {
  near.destroy();
  far.destroy();
}

function same(piece: Buffer): Buffer {
  return piece;
}
