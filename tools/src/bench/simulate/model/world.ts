import type { Engine } from '../engine/engine.ts';
import { Random } from '../engine/random.ts';
import { Cpu, Server } from '../engine/server.ts';
import { Usage } from '../engine/usage.ts';
import type { Parameters } from './parameters.ts';

/** The parts whose utilisation is measured. */
export const PARTS = [
  'shared cores',
  'intake CPU',
  'Kafka sends',
  'Kafka CPU',
  'lane partitions',
  'handler places',
  'handler CPU',
  'entity writes',
  'Redis CPU',
  'MongoDB CPU',
  'results partitions',
  'aggregator CPU',
  'notifier CPU',
  'client CPU',
] as const;
export type Part = (typeof PARTS)[number];

/** What all models of one simulation share: clock, random numbers, parameters and measurements. */
export class World {
  readonly engine: Engine;
  readonly parameters: Parameters;
  readonly random: Random;
  /** Part → one usage for each instance, partition or connection. */
  readonly usages = new Map<Part, Usage[]>();
  readonly #sharedCores: Server | undefined;

  constructor(engine: Engine, parameters: Parameters, seed: number) {
    this.engine = engine;
    this.parameters = parameters;
    this.random = new Random(seed);
    if (parameters.sharedCores > 0) {
      this.#sharedCores = new Server(engine, parameters.sharedCores);
      this.#measure('shared cores', this.#sharedCores.usage);
    }
  }

  /** Creates the processor of a process and measures it as a part. */
  cpu(part: Part, threads = 1): Cpu {
    const cpu = new Cpu(this.engine, threads, this.#sharedCores);
    this.#measure(part, cpu.usage);
    return cpu;
  }

  /** Creates a measurement of a part. */
  usage(part: Part, capacity: number): Usage {
    return this.#measure(part, new Usage(capacity, () => this.engine.now()));
  }

  /** Waits for a latency and its random deviation. */
  latency(ms: number): Promise<void> {
    const deviation = (this.parameters.jitterPercent / 100) * (2 * this.random.next() - 1);
    return this.engine.wait(ms * (1 + deviation));
  }

  /** Waits for one way of a round trip. */
  oneWay(): Promise<void> {
    return this.latency(this.parameters.roundTripMs / 2);
  }

  #measure(part: Part, usage: Usage): Usage {
    this.usages.set(part, [...(this.usages.get(part) ?? []), usage]);
    return usage;
  }
}
