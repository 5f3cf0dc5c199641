import { isIP } from 'node:net';
import type { NetworkPolicy } from './network-policy.ts';

export interface CallbackRules {
  readonly networks: NetworkPolicy;
  /** Whether a URL may be plain http. */
  readonly allowHttp: boolean;
  /** Ports that a URL may name. A caller that could choose any would have a port scanner. */
  readonly ports: readonly number[] | 'any';
}

/**
 * Which callback URLs can be delivered at all, as far as the URL alone tells: intake refuses the others at once, notifier
 * looks again (the configuration may have changed) and checks the addresses that a name resolves to.
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
   * Why a URL is refused, or undefined where nothing speaks against it yet.
   *
   * @param url parsed by the WHATWG rules, which write every form of an IPv4 address (octal, hexadecimal, short) in full.
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
