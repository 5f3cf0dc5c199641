import type { Cpu } from '../engine/server.ts';
import type { Usage } from '../engine/usage.ts';
import type { World } from './world.ts';

/** The brokers. Partition n of every topic is led by broker n modulo their number. */
export class Brokers {
  readonly #world: World;
  readonly #cpus: readonly Cpu[];
  /** Number of requests so far. */
  requests = 0;

  constructor(world: World) {
    this.#world = world;
    const { brokers, kafkaCores } = world.parameters;
    this.#cpus = Array.from({ length: brokers }, () => world.cpu('Kafka CPU', kafkaCores));
  }

  get count(): number {
    return this.#cpus.length;
  }

  leaderOf(partition: number): number {
    return partition % this.#cpus.length;
  }

  /** Lets a broker work on a request. */
  async request(broker: number): Promise<void> {
    this.requests += 1;
    await this.#cpus[broker]?.run(this.#world.parameters.kafkaRequestMs);
  }
}

/** Messages for one partition. */
export interface Parcel {
  readonly partition: number;
  /** Runs when the messages are replicated, so that consumers see them. */
  readonly arrive: () => void;
}

interface Connection {
  readonly usage: Usage;
  readonly waiting: { readonly parcels: readonly Parcel[]; readonly sent: () => void }[];
  busy: boolean;
}

/** The producer of a process: one request at a time to a leader, and what waits shares the next one. */
export class Producer {
  readonly #world: World;
  readonly #brokers: Brokers;
  readonly #cpu: Cpu;
  readonly #connections: readonly Connection[];

  constructor(world: World, brokers: Brokers, cpu: Cpu) {
    this.#world = world;
    this.#brokers = brokers;
    this.#cpu = cpu;
    this.#connections = Array.from({ length: brokers.count }, () => ({
      usage: world.usage('Kafka sends', 1),
      waiting: [],
      busy: false,
    }));
  }

  /** Sends parcels and resolves when all of them are confirmed. */
  async send(parcels: readonly Parcel[]): Promise<void> {
    const sends = this.#connections.flatMap((connection, broker) => {
      const own = parcels.filter(({ partition }) => this.#brokers.leaderOf(partition) === broker);
      if (own.length === 0) return [];
      const sent = new Promise<void>((resolve) => connection.waiting.push({ parcels: own, sent: resolve }));
      if (!connection.busy) void this.#run(connection, broker);
      return [sent];
    });
    await Promise.all(sends);
  }

  async #run(connection: Connection, broker: number): Promise<void> {
    const { produceCpuMs, acksMs } = this.#world.parameters;
    connection.busy = true;
    connection.usage.add(1);
    while (connection.waiting.length > 0) {
      await this.#cpu.run(produceCpuMs);
      const load = connection.waiting.splice(0);
      await this.#world.oneWay();
      await this.#brokers.request(broker);
      await this.#world.latency(acksMs);
      for (const { parcels } of load) for (const { arrive } of parcels) arrive();
      await this.#world.oneWay();
      for (const { sent } of load) sent();
    }
    connection.usage.add(-1);
    connection.busy = false;
  }
}

/**
 * The fetches of one consumer from one broker.
 *
 * A fetch waits at the broker until there is a message. Before its messages are processed, the consumer
 * asks whether the topic is still the same. The next fetch starts after the linger.
 */
export class Fetcher<Message> {
  readonly #world: World;
  readonly #brokers: Brokers;
  readonly #broker: number;
  readonly #cpu: Cpu;
  readonly #receive: (messages: readonly Message[]) => void;
  #ready: Message[] = [];
  #busy = false;

  constructor(
    { world, brokers, broker, cpu }: { world: World; brokers: Brokers; broker: number; cpu: Cpu },
    receive: (messages: readonly Message[]) => void,
  ) {
    this.#world = world;
    this.#brokers = brokers;
    this.#broker = broker;
    this.#cpu = cpu;
    this.#receive = receive;
  }

  /** Makes a message visible to the consumer. */
  append(message: Message): void {
    this.#ready.push(message);
    if (!this.#busy) void this.#run();
  }

  async #run(): Promise<void> {
    const { fetchCpuMs, fetchLingerMs } = this.#world.parameters;
    this.#busy = true;
    while (this.#ready.length > 0) {
      await this.#brokers.request(this.#broker);
      const fetched = this.#ready;
      this.#ready = [];
      await this.#world.oneWay();
      await this.#cpu.run(fetchCpuMs);
      void this.#admit(fetched);
      await this.#world.engine.wait(fetchLingerMs);
    }
    this.#busy = false;
  }

  async #admit(fetched: readonly Message[]): Promise<void> {
    await this.#world.oneWay();
    await this.#brokers.request(this.#broker);
    await this.#world.oneWay();
    this.#receive(fetched);
  }
}
