import type { LaunchSpec } from '../child.ts';
import type { StackPaths } from '../paths.ts';
import type { ProvisionContext } from '../provision/tools.ts';
import type { PartName, ProcessName } from '../state.ts';

/** The context in which a part starts. */
export interface LaunchContext extends ProvisionContext {
  readonly paths: StackPaths;
  readonly port: number;
  /** A second port, for a part that requests one. */
  readonly extraPort: number;
  /** Which process of the part is started. */
  readonly process: ProcessName;
  /** The ports of all brokers, in the order of their numbers. */
  readonly brokers: readonly PartPorts[];
}

export interface PartPorts {
  readonly port: number;
  readonly extraPort: number;
}

/** A part that can be started: everything that it needs is on this machine. */
export interface Launcher {
  /** The name of the engine, for people: "Kafka 4.1.1". */
  readonly engine: string;
  /** Prepares the data folder and returns how to start the part. */
  prepare(context: LaunchContext): Promise<LaunchSpec>;
  /** Does one-off work after the part answers and before it counts as ready, such as initiating a replica set. */
  initialise?(port: number): Promise<void>;
}

/** One of the four parts of the stack. */
export interface Part {
  readonly name: PartName;
  readonly usualPort: number;
  readonly usualExtraPort?: number;
  /** Maximum time to become ready, and to stop on request. */
  readonly readyMs: number;
  readonly stopMs: number;
  urlFor(port: number): string;
  /** Finds or installs what the part needs. */
  provide(context: ProvisionContext & Pick<LaunchContext, 'paths'>): Promise<Launcher>;
  /** Checks by the part's own protocol whether it serves. @throws the reason if it does not (yet). */
  probe(url: string): Promise<void>;
}
