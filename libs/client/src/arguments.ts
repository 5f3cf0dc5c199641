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

/** The notifier's URL with the account in its query, since a browser cannot set headers. */
export function webSocketUrl(given: string | undefined, baseUrl: URL, accountId: string): string {
  const url = given === undefined ? rootOf(baseUrl) : checkedUrl(given, 'websocketUrl', WEB_SOCKET_PROTOCOLS);
  url.searchParams.set('accountId', accountId);
  return url.href;
}

function rootOf({ protocol, host }: URL): URL {
  return new URL(`${protocol === 'https:' ? 'wss' : 'ws'}://${host}/`);
}
