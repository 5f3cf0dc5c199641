import { CountingPace } from '@bulk/stats-aggregator/counting-pace';
import { KnownActions } from '@bulk/stats-aggregator/known-actions';
import { Server, type Cpu } from '../engine/server.ts';
import type { Usage } from '../engine/usage.ts';
import type { SimulatedAction, SimulatedBatch } from './actions.ts';
import { Fetcher, Producer } from './kafka.ts';
import type { Platform } from './platform.ts';

/** All stats-aggregators. The partitions of the results are dealt out in turn. */
export class Aggregators {
  readonly #partitions: readonly Fetcher<SimulatedBatch>[];

  constructor(installation: Platform) {
    const { aggregators, resultsPartitions } = installation.world.parameters;
    const members = Array.from({ length: aggregators }, () => new Aggregator(installation));
    this.#partitions = Array.from({ length: resultsPartitions }, (_, partition) => {
      const member = members[partition % members.length] ?? new Aggregator(installation);
      return member.own(partition);
    });
  }

  /** Makes the result of a batch visible to the stats-aggregator that owns its partition. */
  append(batch: SimulatedBatch): void {
    this.#partitions[batch.action.resultsPartition]?.append(batch);
  }
}

interface Partition {
  readonly queue: SimulatedBatch[];
  readonly usage: Usage;
  running: boolean;
}

/** One stats-aggregator: it counts chunks at the pace of the platform's own class. */
class Aggregator {
  readonly #installation: Platform;
  readonly #cpu: Cpu;
  readonly #producer: Producer;
  readonly #places: Server;
  readonly #known = new KnownActions();
  readonly #pace: CountingPace;
  readonly #fetchers = new Map<number, Fetcher<SimulatedBatch>>();
  readonly #partitions = new Map<number, Partition>();

  constructor(installation: Platform) {
    const { world, brokers } = installation;
    const { countingIntervalMs, chunkSize, countingPlaces } = world.parameters;
    this.#installation = installation;
    this.#cpu = world.cpu('aggregator CPU');
    this.#producer = new Producer(world, brokers, this.#cpu);
    this.#places = new Server(world.engine, countingPlaces);
    this.#pace = new CountingPace({
      known: this.#known,
      intervalMs: countingIntervalMs,
      chunkSize,
      now: () => world.engine.now(),
    });
  }

  /** Takes over a partition. */
  own(number: number): Fetcher<SimulatedBatch> {
    const { world, brokers } = this.#installation;
    const broker = brokers.leaderOf(number);
    this.#partitions.set(number, {
      queue: [],
      usage: world.usage('results partitions', 1),
      running: false,
    });
    const fetcher =
      this.#fetchers.get(broker) ??
      new Fetcher({ world, brokers, broker, cpu: this.#cpu }, (batches: readonly SimulatedBatch[]) => {
        for (const batch of batches) this.#append(batch);
      });
    this.#fetchers.set(broker, fetcher);
    return fetcher;
  }

  #append(batch: SimulatedBatch): void {
    const partition = this.#partitions.get(batch.action.resultsPartition);
    if (partition === undefined) return;
    partition.queue.push(batch);
    if (!partition.running) void this.#run(partition);
  }

  async #run(partition: Partition): Promise<void> {
    const { world } = this.#installation;
    const { queue, usage } = partition;
    partition.running = true;
    await Promise.resolve();
    while (queue.length > 0) {
      const chunk = queue.slice(0, world.parameters.chunkSize);
      const restMs = this.#pace.restMs(chunk.map(({ action }) => ({ key: Buffer.from(action.id) })));
      if (restMs > 0) {
        await world.engine.wait(restMs);
        continue;
      }
      usage.add(1);
      await this.#places.hold(() => this.#count(queue.splice(0, chunk.length)));
      usage.add(-1);
    }
    partition.running = false;
  }

  async #count(chunk: readonly SimulatedBatch[]): Promise<void> {
    const { mongo, world } = this.#installation;
    const { resultCpuMs, resultEntityUs, mongoEntityUs } = world.parameters;
    const actions = new Map<SimulatedAction, SimulatedBatch[]>();
    for (const batch of chunk) actions.set(batch.action, [...(actions.get(batch.action) ?? []), batch]);
    const entities = chunk.reduce((sum, batch) => sum + batch.entities, 0);
    await this.#cpu.run(chunk.length * resultCpuMs + (entities * resultEntityUs) / 1_000);
    const isKnown = [...actions.keys()].every(({ id }) => this.#known.get(id) !== undefined);
    if (!isKnown) await mongo.command(this.#cpu, { majority: false }, () => undefined);
    const workMs = (entities * mongoEntityUs) / 1_000;
    await mongo.command(this.#cpu, { workMs, majority: true }, () => undefined);
    await Promise.all([...actions].map(([action, batches]) => this.#add(action, batches)));
    await this.#producer.send(
      [...actions.keys()].map((action) => ({
        partition: action.resultsPartition,
        arrive: () =>
          this.#installation.notifiers.append(action.resultsPartition, {
            action,
            isEnd: action.countedAt !== undefined,
          }),
      })),
    );
  }

  async #add(action: SimulatedAction, batches: readonly SimulatedBatch[]): Promise<void> {
    const { mongo, world, actions } = this.#installation;
    const now = (): number => world.engine.now();
    await mongo.command(this.#cpu, { majority: true }, () => {
      for (const { batchNo } of batches) action.count(batchNo, now());
      actions.inFlight.add(-batches.length * action.weight);
    });
    this.#known.keep({ action: action.document(), countedAt: now() });
  }
}
