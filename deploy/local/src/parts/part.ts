import type { LaunchSpec } from '../child.ts';
import type { StackPaths } from '../paths.ts';
import type { ProvisionContext } from '../provision/tools.ts';
import type { PartName, ProcessName } from '../state.ts';

/** What a part needs to know in order to start. */
export interface LaunchContext extends ProvisionContext {
  readonly paths: StackPaths;
  readonly port: number;
  /** A second port, for a part that has asked for one. */
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

/** A part that can be started: everything it needs is on this machine. */
export interface Launcher {
  /** What it is, for people: "Kafka 4.1.1". */
  readonly engine: string;
  /** Prepares the data folder and says how to start. */
  prepare(context: LaunchContext): Promise<LaunchSpec>;
  /** One-off work after it answers and before it counts as ready, such as initiating a replica set. */
  initialise?(port: number): Promise<void>;
}

/** One of the four parts of the stack. */
export interface Part {
  readonly name: PartName;
  readonly usualPort: number;
  readonly usualExtraPort?: number;
  /** How long it may take to become ready, and to stop when asked to. */
  readonly readyMs: number;
  readonly stopMs: number;
  urlFor(port: number): string;
  /** Finds or installs what it needs. */
  provide(context: ProvisionContext): Promise<Launcher>;
  /** Asks by the part's own protocol whether it serves; throws with the reason when it does not (yet). */
  probe(url: string): Promise<void>;
}
