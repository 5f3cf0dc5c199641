import type { Cpu } from '../engine/server.ts';
import type { World } from './world.ts';

export interface CommandOptions {
  /** CPU of MongoDB in addition to that of an empty command, in ms. @default 0 */
  readonly workMs?: number;
  /** Whether the answer waits for a majority of the members. */
  readonly majority: boolean;
}

/** MongoDB: each command takes a core for its work, and a write waits for its replication. */
export class Mongo {
  readonly #world: World;
  readonly #cpu: Cpu;
  /** Number of commands so far. */
  commands = 0;

  constructor(world: World) {
    this.#world = world;
    this.#cpu = world.cpu('MongoDB CPU', world.parameters.mongoCores);
  }

  /**
   * Runs a command of a process.
   *
   * @param effect what the command reads or changes. It runs when MongoDB has done the work.
   * @returns the result of `effect`, when the process has the answer.
   */
  async command<T>(client: Cpu, { workMs = 0, majority }: CommandOptions, effect: () => T): Promise<T> {
    const { commandCpuMs, mongoCommandMs, majorityMs } = this.#world.parameters;
    this.commands += 1;
    await client.run(commandCpuMs);
    await this.#world.oneWay();
    await this.#cpu.run(mongoCommandMs + workMs);
    const result = effect();
    if (majority) await this.#world.latency(majorityMs);
    await this.#world.oneWay();
    return result;
  }
}
