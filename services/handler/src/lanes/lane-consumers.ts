import { LANES, type Lane } from '@bulk/domain';
import { ChunkConsumer, type ChunkConsumerOptions } from '@bulk/kafka';
import type { LaneGate } from './lane-gate.ts';

export interface LaneConsumersOptions extends Omit<ChunkConsumerOptions, 'groupId' | 'topics'> {
  readonly ofLane: (lane: Lane) => Pick<ChunkConsumerOptions, 'onAssigned' | 'onInterrupted' | 'instruments'>;
  readonly groupOf: (lane: Lane) => string;
  readonly topicOf: (lane: Lane) => string;
  readonly gate: LaneGate;
}

/**
 * A consumer for each lane, all behind one gate.
 *
 * Why not one consumer that pauses topics: kafkajs fetches again only when everything that it fetched is processed, so a
 * batch of lane high would not even be seen before what was fetched of the others is done. And why a group for each:
 * kafkajs hands out all topics of a group among all of its members, whatever each has subscribed to.
 */
export class LaneConsumers {
  readonly #gate: LaneGate;
  readonly #consumers: ChunkConsumer[] = [];

  private constructor(gate: LaneGate) {
    this.#gate = gate;
  }

  /** Joins the groups and begins to process. When it throws, none is left running. */
  static async start({
    groupOf,
    topicOf,
    ofLane,
    gate,
    process,
    ...options
  }: LaneConsumersOptions): Promise<LaneConsumers> {
    const self = new LaneConsumers(gate);
    const started = await Promise.allSettled(
      LANES.map(async (lane) => {
        self.#consumers.push(
          await ChunkConsumer.start({
            ...options,
            ...ofLane(lane),
            groupId: groupOf(lane),
            topics: [topicOf(lane)],
            process: (chunk) =>
              gate.pass(
                lane,
                () => chunk.heartbeat(),
                (place) => process({ ...chunk, waitFor: (ms) => place.lendDuring(() => chunk.waitFor(ms)) }),
              ),
          }),
        );
      }),
    );
    const failed = started.find((one) => one.status === 'rejected');
    if (failed === undefined) return self;
    await self.#stopConsumers();
    throw failed.reason;
  }

  /** Lets the batches under way finish, hands back those that wait, leaves the groups. */
  async stop(): Promise<void> {
    // First they are told to stop, then the waits end: what ends so is not tried again.
    const stopped = this.#stopConsumers();
    this.#gate.close();
    await stopped;
  }

  async #stopConsumers(): Promise<void> {
    await Promise.all(this.#consumers.map((consumer) => consumer.stop()));
  }
}
