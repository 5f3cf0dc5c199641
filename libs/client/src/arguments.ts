import type { z } from 'zod';
import { InvalidArgumentError } from './errors.ts';

/** @throws InvalidArgumentError naming the argument and what was expected. */
export function checked<T>(schema: z.ZodType<T>, value: unknown, argument: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new InvalidArgumentError(argument, result.error.issues.map(({ message }) => message).join('; '));
}

/** @throws InvalidArgumentError when the URL is none of these protocols'. */
export function checkedUrl(value: string, argument: string, protocols: readonly string[]): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url !== undefined && protocols.includes(url.protocol)) return url;
  throw new InvalidArgumentError(argument, `expected a URL that begins with ${protocols.join(' or ')}`);
}

export const HTTP_PROTOCOLS = ['http:', 'https:'];
const WEB_SOCKET_PROTOCOLS = ['ws:', 'wss:'];

/** The notifier's URL, without what says who connects. */
export function webSocketUrl(given: string | undefined, baseUrl: URL): URL {
  return given === undefined ? rootOf(baseUrl) : checkedUrl(given, 'websocketUrl', WEB_SOCKET_PROTOCOLS);
}

/** The token of the moment. */
export type TokenSource = () => string | Promise<string>;

/** @throws InvalidArgumentError when a fixed token is none. */
export function tokenSource(token: string | TokenSource | undefined): TokenSource | undefined {
  if (typeof token !== 'string') return token;
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new InvalidArgumentError('token', 'expected printable ASCII characters without spaces');
  }
  return () => token;
}

/** The URL to connect to now: account and token are in its query, since a browser cannot set headers. */
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
