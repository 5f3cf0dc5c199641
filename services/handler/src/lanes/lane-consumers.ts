import { LANES, type Lane } from '@bulk/domain';
import { ChunkConsumer, type Chunk, type ChunkConsumerOptions, type Disposition } from '@bulk/kafka';
import type { LaneGate, Turn } from './lane-gate.ts';

export interface LaneConsumersOptions extends Omit<ChunkConsumerOptions, 'groupId' | 'topics' | 'process'> {
  /** Processes a chunk in a turn of its lane. */
  readonly process: (chunk: Chunk, turn: Turn) => Promise<Disposition>;
  readonly ofLane: (lane: Lane) => Pick<ChunkConsumerOptions, 'onAssigned' | 'onInterrupted' | 'instruments'>;
  readonly groupOf: (lane: Lane) => string;
  readonly topicOf: (lane: Lane) => string;
  readonly gate: LaneGate;
}

/**
 * Runs a consumer for each lane, all behind one gate.
 *
 * A single consumer would not do: the answer to a fetch holds messages of all lanes, so a batch of
 * lane high would wait for the large messages of the others, and a partition of lane low that waits
 * for a retry would share the bound of its memory. Each consumer has a group of its own, because
 * kafkajs assigns all topics of a group among all of its members, whatever each has subscribed to.
 */
export class LaneConsumers {
  readonly #gate: LaneGate;
  readonly #consumers: ChunkConsumer[] = [];

  private constructor(gate: LaneGate) {
    this.#gate = gate;
  }

  /** Joins the groups and starts to process. If it throws, no consumer is left running. */
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
              gate.pass(lane, chunk, (turn) => {
                chunk.started();
                return process(chunk, turn);
              }),
          }),
        );
      }),
    );
    const failed = started.find((one) => one.status === 'rejected');
    if (failed === undefined) return self;
    await self.#stopConsumers();
    throw failed.reason;
  }

  /**
   * Finishes the batches under way, hands back those that wait, and leaves the groups.
   *
   * @param limitMs time limit in ms. Batches that take too long are handed back unfinished.
   */
  async stop(limitMs: number): Promise<void> {
    // The consumers stop before the gate closes, so that a batch whose wait ends is not tried
    // again.
    const stopped = this.#stopConsumers(limitMs);
    this.#gate.close();
    await stopped;
  }

  async #stopConsumers(limitMs?: number): Promise<void> {
    await Promise.all(this.#consumers.map((consumer) => consumer.stop(limitMs)));
  }
}
