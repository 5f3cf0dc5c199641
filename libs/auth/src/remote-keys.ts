import type { Logger } from '@bulk/runtime';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { KeysUnavailableError } from './errors.ts';

export interface RemoteKeysOptions {
  readonly url: string;
  /** Longest wait for an answer, in ms. */
  readonly timeoutMs: number;
  /** Age above which keys are fetched anew beside their use, in ms. */
  readonly refreshMs: number;
  /** Time after a fetch in which an unknown key causes no other, in ms: strangers cannot make us ask all the time. */
  readonly cooldownMs: number;
  /** Time after a failed fetch in which there is no other, in ms. */
  readonly retryMs: number;
  /** A clock that only goes forward, in ms. */
  readonly monotonic: () => number;
  readonly log: Logger;
}

/**
 * An issuer's public keys (a JSON Web Key Set). Unlike jose's own remote set, which drops its keys when they are old and the
 * issuer is away, known keys go on being used until newer ones have come: an issuer's outage stops nobody whose key is known.
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
   * The key that a token says it is signed with.
   *
   * @throws KeysUnavailableError when it is not known and the issuer does not answer; jose's JWKSNoMatchingKey when the issuer
   *   has no such key.
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

  /** Nobody waits for it; a failure is remembered and logged by `#load`. */
  #refresh(): void {
    if (this.#age >= this.#options.refreshMs) this.#load().catch(() => undefined);
  }

  /** One fetch at a time, whoever asks. */
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
      if (this.#failure !== undefined) log.info({ url }, 'the public keys of tokens are there again');
      this.#failure = undefined;
      return keys;
    } catch (cause) {
      const error = new KeysUnavailableError(cause);
      if (this.#failure === undefined)
        log.warn({ url, err: error }, 'cannot fetch the public keys of tokens');
      this.#failure = { at: monotonic(), error };
      throw error;
    }
  }
}
