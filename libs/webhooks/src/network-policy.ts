import { BlockList, isIP } from 'node:net';

/** IPv4 networks that do not exist on the public internet, or that a caller must not reach from inside. */
const SPECIAL_V4 = networks([
  '0.0.0.0/8', // this host
  '10.0.0.0/8', // private
  '100.64.0.0/10', // carrier-grade NAT; also a cloud's metadata
  '127.0.0.0/8', // loopback
  '168.63.129.16/32', // Azure's host, whose address is a public one
  '169.254.0.0/16', // link-local; metadata of most clouds
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments
  '192.0.2.0/24', // documentation
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16', // private
  '198.18.0.0/15', // benchmarks
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/3', // multicast, reserved, broadcast
]);

/**
 * The IPv6 range that is assigned to the internet. It excludes loopback, link-local, unique local, multicast, and the
 * forms that contain an IPv4 address (mapped, compatible, NAT64).
 */
const GLOBAL_V6 = networks(['2000::/3']);

/** The parts of that range that are not single hosts on the internet, or that contain an IPv4 address. */
const SPECIAL_V6 = networks([
  '2001::/23', // protocol assignments, Teredo among them
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4
  '3fff::/20', // documentation
]);

/**
 * Decides to which addresses a service may connect at a caller's request: public ones, and explicitly allowed networks.
 */
export class NetworkPolicy {
  readonly #allowed: BlockList;

  /** @param allowed networks in CIDR notation, each a valid one (`isNetwork`). */
  constructor(allowed: readonly string[]) {
    this.#allowed = networks(allowed);
  }

  /**
   * Returns whether a connection to an address is allowed. @param address IPv4 or IPv6 as text; other texts are not
   * allowed.
   */
  permits(address: string): boolean {
    // A zone (`fe80::1%eth0`) names the interface, not the destination.
    const bare = address.split('%', 1)[0] ?? '';
    const version = isIP(bare);
    if (version === 0) return false;
    const family = version === 4 ? 'ipv4' : 'ipv6';
    if (this.#allowed.check(bare, family)) return true;
    return version === 4
      ? !SPECIAL_V4.check(bare, family)
      : GLOBAL_V6.check(bare, family) && !SPECIAL_V6.check(bare, family);
  }
}

/** Returns whether a text is a network in CIDR notation, such as `10.0.0.0/8` or `fd00::/8`. */
export function isNetwork(text: string): boolean {
  const [address = '', prefix = '', ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || address.includes('%') || rest.length > 0 || !/^\d{1,3}$/.test(prefix)) return false;
  return Number(prefix) <= (version === 4 ? 32 : 128);
}

function networks(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = '', prefix] = cidr.split('/');
    list.addSubnet(address, Number(prefix), isIP(address) === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}
