import { cacheFolder, isPortFree, releasePorts, reservePorts, type Environment } from '@bulk/local-stack';
import { PortTakenError } from './errors.ts';

/** Ports of one installation's services. */
export interface ServicePorts {
  /** Port by purpose: `intake`, `notifier`, and `<instance>.admin`. */
  readonly port: (purpose: string) => number;
  readonly release: () => Promise<void>;
}

export interface PortWish {
  readonly purpose: string;
  /** The preferred port, taken if it is free. */
  readonly preferred?: number | undefined;
  /** The variable by which the user has required `preferred`. Then no other port is taken. */
  readonly demandedBy?: string | undefined;
}

/**
 * Chooses ports and reserves them across all installations of this project on the machine.
 *
 * @throws PortTakenError if a required port is taken.
 */
export async function choosePorts(wishes: readonly PortWish[], env: Environment): Promise<ServicePorts> {
  for (const { preferred, demandedBy } of wishes) {
    if (demandedBy !== undefined && preferred !== undefined && !(await isPortFree(preferred))) {
      throw new PortTakenError(demandedBy, preferred);
    }
  }
  const cache = cacheFolder(env);
  const ports = await reservePorts(
    cache,
    new Map(
      wishes.map(({ purpose, preferred }) => [purpose, preferred === undefined ? [] : [preferred]] as const),
    ),
  );
  for (const { purpose, preferred, demandedBy } of wishes) {
    if (demandedBy === undefined || preferred === undefined || ports.get(purpose) === preferred) continue;
    await releasePorts(cache, ports.values());
    throw new PortTakenError(demandedBy, preferred);
  }
  return {
    port: (purpose) => {
      const port = ports.get(purpose);
      if (port === undefined) throw new Error(`no port was chosen for ${purpose}`);
      return port;
    },
    release: () => releasePorts(cache, ports.values()),
  };
}
