import { lookup, type LookupAddress, type LookupAllOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { CodedError } from '@bulk/domain';
import type { NetworkPolicy } from '@bulk/webhooks';

/**
 * Thrown when a host resolves to no address that a webhook may go to. It names no address, to
 * reveal none.
 */
export class ForbiddenAddressError extends CodedError {
  constructor() {
    super('FORBIDDEN_ADDRESS', 'the host has no address that webhooks may go to');
  }
}

type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * Builds a `lookup` for sockets that returns only permitted addresses.
 *
 * The socket connects to the very addresses that were checked here, so a name that resolves
 * differently a moment later (DNS rebinding) gains nothing. A socket does not look up a host that
 * is an address: CallbackPolicy checks it before.
 */
export function guardedLookup(networks: NetworkPolicy, resolve: Resolve = lookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, '');
        return;
      }
      const permitted = addresses.filter(({ address }) => networks.permits(address));
      const [first] = permitted;
      if (first === undefined) callback(new ForbiddenAddressError(), '');
      else if (options.all === true) callback(null, permitted);
      else callback(null, first.address, first.family);
    });
  };
}
