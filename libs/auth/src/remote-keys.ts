import type { Logger } from '@bulk/runtime';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { KeysUnavailableError } from './errors.ts';

export interface RemoteKeysOptions {
  readonly url: string;
  /** Maximum wait for an answer, in ms. */
  readonly timeoutMs: number;
  /** Age after which keys are fetched again, while they are still used, in ms. */
  readonly refreshMs: number;
  /**
   * Time after a fetch in which an unknown key causes no further fetch, in ms. External clients cannot cause endless
   * fetches.
   */
  readonly cooldownMs: number;
  /** Time after a failed fetch before the next one, in ms. */
  readonly retryMs: number;
  /** A monotonic clock, in ms. */
  readonly monotonic: () => number;
  readonly log: Logger;
}

/**
 * Provides an issuer's public keys (a JSON Web Key Set).
 *
 * jose's own remote set drops old keys while the issuer is unavailable. This one continues to use known keys until
 * newer ones have arrived, so an outage of the issuer affects no user whose key is known.
 */
export class RemoteKeys {
  readonly #options: RemoteKeysOptions;
  #known: JWTVerifyGetKey | undefined;
  #loadedAt = -Infinity;
  #loading: Promise<JWTVerifyGetKey> | undefined;
  #failure: { readonly at: number; readonly error: KeysUnavailableError } | undefined;

  constructor(options: RemoteKeysOptions) {
    this.#options = options;
  }

  /**
   * Returns the key that a token names as its own.
   *
   * @throws KeysUnavailableError if the key is unknown and the issuer does not answer.
   * @throws jose's JWKSNoMatchingKey if the issuer has no such key.
   */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const known = this.#known ?? (await this.#load());
    this.#refresh();
    try {
      return await known(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || this.#age < this.#options.cooldownMs) throw error;
      const newer = await this.#load();
      return newer(header, token);
    }
  };

  get #age(): number {
    return this.#options.monotonic() - this.#loadedAt;
  }

  /** Starts a fetch that no request waits for. `#load` records and logs a failure. */
  #refresh(): void {
    if (this.#age >= this.#options.refreshMs) this.#load().catch(() => undefined);
  }

  /** Fetches the keys. All callers share one fetch. */
  #load(): Promise<JWTVerifyGetKey> {
    const { monotonic, retryMs } = this.#options;
    if (this.#failure !== undefined && monotonic() - this.#failure.at < retryMs) {
      return Promise.reject(this.#failure.error);
    }
    this.#loading ??= this.#fetch().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  async #fetch(): Promise<JWTVerifyGetKey> {
    const { url, timeoutMs, monotonic, log } = this.#options;
    try {
      const response = await fetch(url, {
        headers: { accept: 'application/json, application/jwk-set+json' },
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (response.status !== 200) throw new Error(`expected status 200, found ${response.status}`);
      // jose checks the form.
      const keys = createLocalJWKSet((await response.json()) as JSONWebKeySet);
      this.#known = keys;
      this.#loadedAt = monotonic();
      if (this.#failure !== undefined) log.info({ url }, 'Token keys available again');
      this.#failure = undefined;
      return keys;
    } catch (cause) {
      const error = new KeysUnavailableError(cause);
      if (this.#failure === undefined) log.warn({ url, err: error }, 'Token keys not fetched');
      this.#failure = { at: monotonic(), error };
      throw error;
    }
  }
}
