import type { z } from 'zod';
import { InvalidArgumentError } from './errors.ts';

/** Validates an argument. @throws InvalidArgumentError naming the argument and the expected value. */
export function checked<T>(schema: z.ZodType<T>, value: unknown, argument: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new InvalidArgumentError(argument, result.error.issues.map(({ message }) => message).join('; '));
}

/** Parses a URL. @throws InvalidArgumentError if the text is not a URL with one of these protocols. */
export function checkedUrl(value: string, argument: string, protocols: readonly string[]): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url !== undefined && protocols.includes(url.protocol)) return url;
  throw new InvalidArgumentError(argument, `expected a URL that starts with ${protocols.join(' or ')}`);
}

export const HTTP_PROTOCOLS = ['http:', 'https:'];
const WEB_SOCKET_PROTOCOLS = ['ws:', 'wss:'];

/** Returns the notifier's URL, without credentials. */
export function webSocketUrl(given: string | undefined, baseUrl: URL): URL {
  return given === undefined ? rootOf(baseUrl) : checkedUrl(given, 'websocketUrl', WEB_SOCKET_PROTOCOLS);
}

/** Returns the current token. */
export type TokenSource = () => string | Promise<string>;

/** Returns the source of tokens. @throws InvalidArgumentError if a fixed token is invalid. */
export function tokenSource(token: string | TokenSource | undefined): TokenSource | undefined {
  if (typeof token !== 'string') return token;
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new InvalidArgumentError('token', 'expected printable ASCII characters without spaces');
  }
  return () => token;
}

/** Returns the URL for the next connect. Account and token are in its query, since a browser cannot set headers. */
export async function credentialedUrl(
  url: URL,
  accountId: string | undefined,
  token: TokenSource | undefined,
): Promise<string> {
  const target = new URL(url);
  if (accountId !== undefined) target.searchParams.set('accountId', accountId);
  if (token !== undefined) target.searchParams.set('access_token', await token());
  return target.href;
}

function rootOf({ protocol, host }: URL): URL {
  return new URL(`${protocol === 'https:' ? 'wss' : 'ws'}://${host}/`);
}
