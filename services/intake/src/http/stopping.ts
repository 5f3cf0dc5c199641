import { RestError } from '@bulk/contracts';
import { setMaxListeners } from 'node:events';

/**
 * Thrown to answer a request that is still under way after the service has waited long enough for
 * it.
 */
export class ServiceStoppingError extends RestError {
  constructor() {
    super('SERVICE_STOPPING', 'the service is stopping; nothing was changed, send the request again', {
      headers: { connection: 'close' },
    });
  }
}

/** The moment of a stop at which open uploads are refused and open downloads are ended. */
export class CutOff {
  readonly #abort = new AbortController();

  constructor() {
    // Every request under way listens, so that many listeners are no leak.
    setMaxListeners(0, this.#abort.signal);
  }

  /** Whether that moment has passed. */
  get isOver(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Aborts at that moment with a ServiceStoppingError. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  now(): void {
    this.#abort.abort(new ServiceStoppingError());
  }

  /**
   * Waits for work that may be abandoned.
   *
   * @throws ServiceStoppingError at the cut-off, without waiting for the work; what the work
   * throws.
   */
  async orElse<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#abort;
    let onAbort = (): void => undefined;
    const cut = new Promise<never>((_resolve, reject) => {
      onAbort = () => reject(new ServiceStoppingError());
    });
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      return await Promise.race([cut, work]);
    } finally {
      signal.removeEventListener('abort', onAbort);
      // Abandoned work may fail without a listener.
      work.catch(() => undefined);
    }
  }
}
