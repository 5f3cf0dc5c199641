import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { BlockList } from 'node:net';

/** The error of a request to the admin port that may not change anything. */
export const WHO_MAY_CHANGE =
  'expected a request from this machine, or Authorization: Bearer with the token of ADMIN_TOKEN';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');
const IPV4_IN_IPV6 = /^::ffff:(?=[\d.]+$)/i;

/** The parts of a request that identify its sender. */
export type AdminRequest = Pick<IncomingMessage, 'headers'> & {
  readonly socket: { readonly remoteAddress?: string | undefined };
};

/**
 * Returns whether a request may change something: it comes from this machine and from no web page, or brings the token.
 *
 * @param token undefined: only this machine may.
 */
export function mayChange({ headers, socket }: AdminRequest, token: string | undefined): boolean {
  if (token !== undefined && isToken(headers.authorization, token)) return true;
  // A web page in a browser of this machine is not trusted. Neither is a request that a proxy of this machine relays.
  const isRelayed = [
    headers.origin,
    headers['sec-fetch-site'],
    headers['x-forwarded-for'],
    headers.forwarded,
  ];
  return isRelayed.every((header) => header === undefined) && isLoopback(socket.remoteAddress);
}

function isToken(authorization: string | undefined, token: string): boolean {
  const given = /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
  // The comparison needs equal lengths, which digests have.
  return given !== undefined && timingSafeEqual(digestOf(given), digestOf(token));
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function isLoopback(remoteAddress: string | undefined): boolean {
  if (remoteAddress === undefined) return false;
  // Remove the zone of a link-local address.
  const address = remoteAddress.replace(IPV4_IN_IPV6, '').replace(/%.*/, '');
  return LOOPBACK.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
}
