import { Redis, type RedisOptions } from 'ioredis';

/** Maximum wait before the sentinels are asked again, in ms. */
const MAX_DELAY_MS = 2_000;

/**
 * A client of the primary that sentinels name. It asks the sentinels before each connection.
 *
 * While no sentinel answers, commands fail at once, as they do while a single Redis is unavailable. The client of the
 * library would either queue them without bound or stop for ever.
 */
export class SentinelRedis extends Redis {
  #closed = false;
  #attempts = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: Omit<RedisOptions, 'replyMapping'>) {
    // The library goes through its list of sentinels across connections, so one try may start at the end of the list.
    const sentinelRetryStrategy = (times: number): number | null => (times === 1 ? 0 : null);
    super({ ...options, lazyConnect: true, sentinelRetryStrategy });
    this.on('ready', () => {
      this.#attempts = 0;
    });
    this.on('end', () => this.#connectLater());
  }

  override disconnect(reconnect = false): void {
    if (!reconnect) {
      this.#closed = true;
      clearTimeout(this.#timer);
    }
    super.disconnect(reconnect);
  }

  #connectLater(): void {
    if (this.#closed) return;
    this.#attempts += 1;
    // A failed try ends the client again, with the reason as an event.
    const connect = (): void => void this.connect().catch(() => undefined);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(connect, Math.min(100 * this.#attempts, MAX_DELAY_MS));
  }
}
