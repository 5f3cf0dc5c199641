import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';

/** The claims of a token. A default `exp` is added; an undefined one omits it. */
type Claims = Readonly<Record<string, unknown>>;

interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

/** An issuer of tokens: signs them, and serves its public keys as a JSON Web Key Set on a port of its own. */
export class TokenIssuer {
  readonly #server: Server;
  #keys: SigningKey[] = [];
  #down = false;
  /** Number of requests for the keys. */
  requests = 0;

  private constructor() {
    this.#server = createServer((_request, response) => {
      this.requests += 1;
      if (this.#down) {
        response.writeHead(500).end();
        return;
      }
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ keys: this.#keys.map(({ publicJwk }) => publicJwk) }));
    });
  }

  /** Starts an issuer with a first key. */
  static async start(alg = 'ES256'): Promise<TokenIssuer> {
    const issuer = new TokenIssuer();
    await issuer.rotate(alg);
    await new Promise<void>((resolve) => issuer.#server.listen(0, '127.0.0.1', resolve));
    return issuer;
  }

  get jwksUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/jwks.json`;
  }

  /** Makes the keys unavailable (status 500) until `recover`. */
  fail(): void {
    this.#down = true;
  }

  recover(): void {
    this.#down = false;
  }

  /** Signs with a new key from now on, and serves only that key. */
  async rotate(alg = 'ES256'): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    const kid = `key-${crypto.randomUUID()}`;
    this.#keys = [
      { kid, alg, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } },
    ];
  }

  /** Returns a token that the newest key signs. */
  async sign(payload: Claims): Promise<string> {
    const key = this.#keys.at(-1);
    if (key === undefined) throw new Error('expected a key');
    return new SignJWT({ exp: inSeconds(60), ...payload })
      .setProtectedHeader({ alg: key.alg, kid: key.kid })
      .sign(key.privateKey);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Returns a token that a shared secret signs. */
export function signWithSecret(secret: string, payload: Claims, alg = 'HS256'): Promise<string> {
  return new SignJWT({ exp: inSeconds(60), ...payload })
    .setProtectedHeader({ alg })
    .sign(new TextEncoder().encode(secret));
}

/** Returns an instant `seconds` from now, in the unit of `exp`. */
export function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1_000) + seconds;
}
