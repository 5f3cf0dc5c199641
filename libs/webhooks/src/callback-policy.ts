import { isIP } from 'node:net';
import type { NetworkPolicy } from './network-policy.ts';

export interface CallbackRules {
  readonly networks: NetworkPolicy;
  /** Whether a URL may use plain http. */
  readonly allowHttp: boolean;
  /** Ports that a URL may name. A free choice of ports would give callers a port scanner. */
  readonly ports: readonly number[] | 'any';
}

/**
 * Decides which callback URLs are allowed, as far as the URL alone shows it. intake refuses all others at once.
 * notifier checks again, because the configuration may have changed, and also checks the addresses that a name resolves
 * to.
 */
export class CallbackPolicy {
  readonly networks: NetworkPolicy;
  readonly #allowHttp: boolean;
  readonly #ports: CallbackRules['ports'];

  constructor({ networks, allowHttp, ports }: CallbackRules) {
    this.networks = networks;
    this.#allowHttp = allowHttp;
    this.#ports = ports;
  }

  /**
   * Returns why a URL is refused, or undefined if it is allowed so far.
   *
   * @param url parsed by the WHATWG rules, which write every form of an IPv4 address (octal, hexadecimal, short) in
   *   full.
   */
  refusalOf(url: URL): string | undefined {
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && this.#allowHttp)) {
      return this.#allowHttp ? 'expected an http or https URL' : 'expected an https URL';
    }
    const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
    if (this.#ports !== 'any' && !this.#ports.includes(port)) {
      return `expected port ${this.#ports.join(' or ')}, found ${port}`;
    }
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.+$/, '');
    if (isIP(host) !== 0) return this.networks.permits(host) ? undefined : NOT_PUBLIC;
    if (host !== 'localhost' && !host.endsWith('.localhost')) return undefined;
    return LOOPBACK.some((address) => this.networks.permits(address)) ? undefined : NOT_PUBLIC;
  }
}

const LOOPBACK = ['127.0.0.1', '::1'];
const NOT_PUBLIC = 'expected a host with a public address';
