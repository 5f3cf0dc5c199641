import { LANES, type Lane } from '@bulk/domain';
import type { Cpu } from '../engine/server.ts';
import type { Usage } from '../engine/usage.ts';
import type { SimulatedBatch } from './actions.ts';
import { Fetcher, Producer } from './kafka.ts';
import { MergedWrites } from './merged-writes.ts';
import { LanePlaces } from './lane-places.ts';
import type { Platform } from './platform.ts';

const WEIGHTS = { high: 16, normal: 4, low: 1 };

/** A partition of a lane at the handler that owns it. */
interface Partition {
  readonly queue: SimulatedBatch[];
  readonly usage: Usage;
  readonly fetcher: Fetcher<SimulatedBatch>;
}

/** All handlers. The partitions of each lane are dealt out in turn. */
export class Handlers {
  readonly #partitions = new Map<string, Partition>();

  constructor(installation: Platform) {
    const { handlers } = installation.world.parameters;
    const members = Array.from({ length: handlers }, () => new Handler(installation));
    const { partitions } = installation.world.parameters;
    for (const lane of LANES) {
      for (let partition = 0; partition < partitions; partition += 1) {
        const member = members[partition % members.length];
        if (member !== undefined) this.#partitions.set(`${lane} ${partition}`, member.own(lane, partition));
      }
    }
  }

  /** Makes a batch visible to the handler that owns its partition. */
  append(lane: Lane, batch: SimulatedBatch): void {
    this.#partitions.get(`${lane} ${batch.partition}`)?.fetcher.append(batch);
  }
}

/** One handler: groups of batches of its partitions, behind its places. */
class Handler {
  readonly #installation: Platform;
  readonly #cpu: Cpu;
  readonly #producer: Producer;
  readonly #places: LanePlaces;
  readonly #writes: MergedWrites;
  /** Lane and broker → the fetches of that lane's consumer. */
  readonly #fetchers = new Map<string, Fetcher<SimulatedBatch>>();
  readonly #queues = new Map<string, (batch: SimulatedBatch) => void>();

  constructor(installation: Platform) {
    const { world, mongo, brokers } = installation;
    this.#installation = installation;
    this.#cpu = world.cpu('handler CPU');
    this.#producer = new Producer(world, brokers, this.#cpu);
    this.#places = new LanePlaces(world.usage('handler places', world.parameters.places), WEIGHTS);
    this.#writes = new MergedWrites(world, mongo, this.#cpu);
  }

  /** Takes over a partition. */
  own(lane: Lane, number: number): Partition {
    const { world, brokers } = this.#installation;
    const broker = brokers.leaderOf(number);
    const key = `${lane} ${broker}`;
    const fetcher =
      this.#fetchers.get(key) ??
      new Fetcher({ world, brokers, broker, cpu: this.#cpu }, (batches: readonly SimulatedBatch[]) => {
        for (const batch of batches) this.#queues.get(`${lane} ${batch.partition}`)?.(batch);
      });
    this.#fetchers.set(key, fetcher);
    const partition = { queue: [], usage: world.usage('lane partitions', 1), fetcher } satisfies Partition;
    this.#queues.set(`${lane} ${number}`, (batch) => this.#append(lane, partition, batch));
    return partition;
  }

  #append(lane: Lane, partition: Partition, batch: SimulatedBatch): void {
    partition.queue.push(batch);
    if (partition.usage.used === 0) void this.#run(lane, partition);
  }

  async #run(lane: Lane, { queue, usage }: Partition): Promise<void> {
    usage.add(1);
    // All batches of one fetch are in the queue before the first group is taken.
    await Promise.resolve();
    while (queue.length > 0) {
      const leave = await this.#places.enter(lane);
      const group = this.#groupAt(queue);
      await this.#process(group);
      leave(group.length);
    }
    usage.add(-1);
  }

  /**
   * Removes the next group. Entities of different batches differ in this model. A batch that calls
   * another system is a group of its own.
   */
  #groupAt(queue: SimulatedBatch[]): SimulatedBatch[] {
    const most = this.#installation.world.parameters.groupBatches;
    const alone = queue.findIndex(({ action }) => typeof action.work === 'object');
    return queue.splice(0, Math.min(most, alone < 0 ? queue.length : Math.max(1, alone)));
  }

  async #process(group: readonly SimulatedBatch[]): Promise<void> {
    const { redis, world } = this.#installation;
    const { groupCpuMs, batchCpuMs, entityCpuUs, redisBatchMs, redisEntityUs } = world.parameters;
    const entities = group.reduce((sum, batch) => sum + batch.entities, 0);
    await this.#cpu.run(groupCpuMs);
    for (const batch of group) await this.#cpu.run(batchCpuMs + (batch.entities * entityCpuUs) / 1_000);
    await world.oneWay();
    await redis.run(group.length * redisBatchMs + (entities * redisEntityUs) / 1_000);
    await world.oneWay();
    await Promise.all(group.map((batch) => this.#apply(batch)));
    await this.#report(group);
  }

  async #apply({ action: { work, lane }, entities }: SimulatedBatch): Promise<void> {
    if (work === 'update') await this.#writes.write(lane, entities);
    else if (work !== 'noop') await this.#installation.world.engine.wait(work.waitMs);
  }

  async #report(group: readonly SimulatedBatch[]): Promise<void> {
    const { aggregators } = this.#installation;
    await this.#producer.send(
      group.map((batch) => ({
        partition: batch.action.resultsPartition,
        arrive: () => aggregators.append(batch),
      })),
    );
  }
}
