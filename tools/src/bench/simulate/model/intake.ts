import { Dispatcher, minWindowForNewcomersOf, minWindowOf } from '@bulk/intake/dispatch';
import { topicNames } from '@bulk/contracts';
import type { Lane } from '@bulk/domain';
import { Health, silentLogger } from '@bulk/runtime';
import type { Cpu } from '../engine/server.ts';
import { SimulatedAction, type ActionDraft, type SimulatedBatch } from './actions.ts';
import { Producer, type Parcel } from './kafka.ts';
import type { Platform } from './platform.ts';
import { SimulatedStore, stagedBatch } from './simulated-store.ts';

const LEASE_MS = 30_000;
const STALE_MS = 60_000;
const RETRY_DELAY_MS = 5_000;
const WINDOW_BYTES = 4_194_304;
const MAX_POSTPONED = 2_000;
/** Batches that staging hands over to the dispatch at most. */
const HANDED_OVER_BATCHES = 100;

const TOPICS = topicNames();
const LANE_OF_TOPIC = new Map<string, Lane>(
  Object.entries(TOPICS.entityBatches).map(([lane, topic]) => [topic, lane as Lane]),
);

/** An instance of intake: the platform's own dispatcher on a simulated store and producer. */
export class Intake {
  readonly #installation: Platform;
  readonly #cpu: Cpu;
  readonly #producer: Producer;
  readonly #dispatcher: Dispatcher;

  constructor(installation: Platform, name: string) {
    const { world, mongo, actions, windows, brokers } = installation;
    const { parameters: set, engine } = world;
    this.#installation = installation;
    this.#cpu = world.cpu('intake CPU');
    this.#producer = new Producer(world, brokers, this.#cpu);
    this.#dispatcher = new Dispatcher({
      store: new SimulatedStore({ world, mongo, actions, windows, cpu: this.#cpu, leaseMs: LEASE_MS }),
      producer: {
        send: async (topic, messages) => {
          await this.#send(topic, messages);
          return [];
        },
      },
      topics: TOPICS,
      window: { batches: set.windowBatches, bytes: WINDOW_BYTES },
      maxInFlight: set.actionBatches,
      maxPostponed: MAX_POSTPONED,
      parallelWindows: set.parallelWindows,
      maxInFlightOfAccount: set.accountBatches,
      laneWindow: {
        min: Math.ceil((minWindowOf(set.partitions) * set.laneMinPercent) / 100),
        minForNewcomers: Math.ceil((minWindowForNewcomersOf(set.partitions) * set.laneMinPercent) / 100),
        max: set.laneMaxBatches,
        tolerance: set.tolerancePercent / 100,
        probeEveryMs: set.probeMs,
      },
      staleMs: STALE_MS,
      pollMs: set.pollMs,
      batchSize: set.batchSize,
      onChanged: ({ _id }) => void this.#progress(actions.get(_id)),
      leaseMs: LEASE_MS,
      monotonic: () => engine.now(),
      instanceId: name,
      concurrency: set.leases,
      retryDelayMs: RETRY_DELAY_MS,
      scheduler: engine.scheduler,
      health: new Health(),
      log: silentLogger(),
    });
  }

  /** Receives a request, stages its entities and accepts the action. */
  async submit(draft: ActionDraft): Promise<SimulatedAction> {
    const { world, mongo, actions, client } = this.#installation;
    const { parameters: set, random, engine } = world;
    const action = new SimulatedAction(draft, set, { random, now: engine.now() });
    await client.run(set.clientCpuMs);
    await world.oneWay();
    await this.#cpu.run(set.requestCpuMs);
    await mongo.command(this.#cpu, { majority: true }, () => undefined);
    this.#dispatcher.expect();
    await this.#stage(action);
    const lease = this.#dispatcher.firstLease();
    await mongo.command(this.#cpu, { majority: true }, () => {
      action.accepted = true;
      action.updatedAt = engine.now();
      if (lease !== undefined) {
        action.lease = { owner: lease.owner, until: new Date(engine.now() + LEASE_MS) };
      }
      actions.add(action);
    });
    const isSmall = action.batches.length <= HANDED_OVER_BATCHES;
    if (lease === undefined) this.#dispatcher.wake();
    else lease.begin(action.document(), isSmall ? action.batches.map(stagedBatch) : []);
    return action;
  }

  /** Looks for due actions, as the timer of intake does. */
  wake(): void {
    this.#dispatcher.wake();
  }

  async #stage({ batches }: SimulatedAction): Promise<void> {
    const { mongo, world } = this.#installation;
    const { stagingGroupBatches, stagingEntityUs, mongoEntityUs } = world.parameters;
    for (let at = 0; at < batches.length; at += stagingGroupBatches) {
      const entities = entitiesOf(batches.slice(at, at + stagingGroupBatches));
      await this.#cpu.run((entities * stagingEntityUs) / 1_000);
      // The first group needs no sign of life.
      if (at > 0) await mongo.command(this.#cpu, { majority: true }, () => undefined);
      const workMs = (entities * mongoEntityUs) / 1_000;
      await mongo.command(this.#cpu, { workMs, majority: true }, () => undefined);
    }
  }

  async #send(topic: string, messages: readonly { readonly value: unknown }[]): Promise<void> {
    const { world, handlers } = this.#installation;
    const lane = LANE_OF_TOPIC.get(topic);
    if (lane === undefined) {
      await this.#producer.send([{ partition: 0, arrive: () => undefined }]);
      return;
    }
    const batches = messages.map(({ value }) => this.#batchOf(value as BatchMessage));
    const { publishBatchMs, publishEntityUs } = world.parameters;
    await this.#cpu.run(batches.length * publishBatchMs + (entitiesOf(batches) * publishEntityUs) / 1_000);
    await this.#producer.send(
      batches.map((batch): Parcel => ({
        partition: batch.partition,
        arrive: () => {
          this.#installation.actions.inFlight.add(batch.action.weight);
          batch.action.firstPublishedAt ??= world.engine.now();
          handlers.append(lane, batch);
        },
      })),
    );
  }

  #batchOf({ actionId, batchNo }: BatchMessage): SimulatedBatch {
    const batch = this.#installation.actions.get(actionId).batches[batchNo];
    if (batch === undefined) throw new RangeError(`action ${actionId} has no batch ${batchNo}`);
    return batch;
  }

  async #progress(action: SimulatedAction): Promise<void> {
    const { notifiers } = this.#installation;
    const arrive = (): void => notifiers.append(action.resultsPartition, { action, isEnd: false });
    await this.#producer.send([{ partition: action.resultsPartition, arrive }]);
  }
}

interface BatchMessage {
  readonly actionId: string;
  readonly batchNo: number;
}

function entitiesOf(batches: readonly SimulatedBatch[]): number {
  return batches.reduce((sum, { entities }) => sum + entities, 0);
}
