import type { ConsumerGroups, TopicNames } from '@bulk/contracts';
import { Consumption, ProduceError, type Kafka, type MessageProducer, type Offsets } from '@bulk/kafka';
import { stopCauseOf, type ActionDocument, type SweepMark, type SweepState } from '@bulk/mongo';
import { backoffCeiling, instantAfter, type Lane } from '@bulk/domain';
import type { Logger } from '@bulk/runtime';
import { batchMessages } from './batch-message.ts';
import type { WindowLimits } from './staged-batch.ts';
import type { GapStore } from './gap-store.ts';

export interface GapSweeperOptions {
  readonly store: GapStore;
  readonly kafka: Kafka;
  readonly producer: MessageProducer;
  readonly topics: TopicNames;
  readonly groups: ConsumerGroups;
  /** Limits of the batches that are published at once. */
  readonly window: WindowLimits;
  /** Time without a counted outcome after which an action is searched, in ms. */
  readonly afterMs: number;
  readonly now: () => Date;
  /** Called when missing batches are published again; never throws. */
  readonly onMissing?: (lane: Lane, batches: number) => void;
  readonly log: Logger;
}

/** Maximum number of actions that one round searches. */
const ROUND = 20;
/** Maximum number of batches of an action that one round publishes again. */
const MAX_BATCHES = 1_000;
/** Maximum number of batch numbers in a line of the log. */
const LOGGED = 50;
/** How long no other instance searches a claimed action, in ms, unless `afterMs` is shorter. */
const CLAIM_MS = 60_000;
/**
 * The longest rest of an action between two rounds that publish some of its batches again, in ms.
 */
const MAX_REST_MS = 3_600_000;

/**
 * Finds batches that are recorded as published and are not in Kafka, and publishes them again.
 *
 * It is safe to run in every instance at once: a round claims an action, and the handler drops a
 * second copy of a batch.
 *
 * A batch is missing if it still has no log after two steps. First the handler has consumed all
 * that the batch's partition held when nothing was counted any more. Then the stats aggregator has
 * consumed all results that existed after that. What is slow is not missing: partitions with lag
 * are left alone, and so are batches in a retry topic. The action's document holds the state of the
 * search from round to round.
 */
export class GapSweeper {
  readonly #options: GapSweeperOptions;

  constructor(options: GapSweeperOptions) {
    this.#options = options;
  }

  /**
   * Runs one round. An action whose batches cannot be published now is searched again later and
   * holds up no other action.
   *
   * @returns the number of batches that were published again.
   * @throws StoreError; the error of kafkajs.
   */
  async sweep(): Promise<number> {
    const { store, kafka, afterMs } = this.#options;
    const first = await store.claim(afterMs, this.#claimMs);
    if (first === undefined) return 0;
    return Consumption.ask(kafka, async (consumption) => {
      let published = 0;
      let action: ActionDocument | undefined = first;
      for (let n = 1; action !== undefined; n += 1) {
        published += await this.#searchUnlessRefused(action, consumption);
        action = n < ROUND ? await store.claim(afterMs, this.#claimMs) : undefined;
      }
      return published;
    });
  }

  get #claimMs(): number {
    return Math.min(this.#options.afterMs, CLAIM_MS);
  }

  async #searchUnlessRefused(action: ActionDocument, consumption: Consumption): Promise<number> {
    try {
      return await this.#search(action, consumption);
    } catch (error) {
      if (!(error instanceof ProduceError)) throw error;
      const { _id: actionId } = action;
      this.#options.log.warn({ actionId, err: error }, 'Missing batches not published; retrying later');
      return 0;
    }
  }

  /**
   * Continues the search of an action as far as possible now.
   *
   * @returns the number of batches published again.
   */
  async #search(action: ActionDocument, consumption: Consumption): Promise<number> {
    const { store, topics } = this.#options;
    const { _id, lane, countedBatches, dispatch } = action;
    const before = dispatch.sweep?.mark ?? null;
    const moved = before !== null && before.countedBatches !== countedBatches;
    const rounds = moved ? 0 : (dispatch.sweep?.rounds ?? 0);
    const mark: SweepMark =
      before === null || moved
        ? {
            countedBatches,
            nextBatch: dispatch.nextBatch,
            laneEnds: await consumption.ends(topics.entityBatches[lane]),
            consumed: null,
          }
        : before;
    const consumed = mark.consumed ?? (await this.#consumedOf(mark, lane, consumption));
    const next = { ...mark, consumed };
    if (consumed === null || !(await this.#areResultsCounted(consumed.resultEnds, consumption))) {
      await store.record(_id, { dueAt: this.#in(this.#claimMs), rounds, mark: next });
      return 0;
    }
    const published = await this.#publishMissing(_id, next, consumed.partitions);
    const { afterMs } = this.#options;
    const restMs = backoffCeiling(rounds + 1, {
      initialDelayMs: afterMs,
      maxDelayMs: Math.max(afterMs, MAX_REST_MS),
    });
    const rested: SweepState = {
      dueAt: this.#in(restMs),
      rounds: published === 0 ? rounds : rounds + 1,
      mark: null,
    };
    await store.record(_id, rested);
    return published;
  }

  /**
   * Finds the partitions of the lane that are consumed up to the mark.
   *
   * @returns these partitions, and the ends of the results after that; `null` if there are none.
   */
  async #consumedOf(mark: SweepMark, lane: Lane, consumption: Consumption): Promise<SweepMark['consumed']> {
    const { topics, groups } = this.#options;
    const positions = await consumption.positions(groups.handler[lane], topics.entityBatches[lane]);
    const partitions = Object.keys(mark.laneEnds)
      .filter((partition) => isBehind(positions, mark.laneEnds, partition))
      .map(Number);
    if (partitions.length === 0) return null;
    return { partitions, resultEnds: await consumption.ends(topics.results) };
  }

  async #areResultsCounted(ends: Offsets, consumption: Consumption): Promise<boolean> {
    const { topics, groups } = this.#options;
    const positions = await consumption.positions(groups.statsAggregator, topics.results);
    return Object.keys(ends).every((partition) => isBehind(positions, ends, partition));
  }

  async #publishMissing(actionId: string, mark: SweepMark, partitions: readonly number[]): Promise<number> {
    const { store, log } = this.#options;
    const action = await store.open(actionId);
    if (action === undefined || action.countedBatches !== mark.countedBatches) return 0;
    const { postponed = [] } = action.dispatch;
    const { batchNos, lost } = await store.missing(
      actionId,
      mark.nextBatch,
      partitions,
      postponed,
      MAX_BATCHES,
    );
    if (lost.length > 0) {
      const shown = { actionId, batchNos: lost.slice(0, LOGGED), count: lost.length };
      log.error(shown, 'Missing batches cannot be published again: their staged batches are missing');
    }
    for (let left = batchNos; left.length > 0;) left = left.slice(await this.#publish(action, left));
    if (batchNos.length > 0) {
      const shown = { actionId, batchNos: batchNos.slice(0, LOGGED), count: batchNos.length };
      log.warn(shown, 'Missing batches published again');
    }
    return batchNos.length;
  }

  /**
   * Publishes the first of these batches in their original form.
   *
   * @returns the number of batches handled.
   */
  async #publish(action: ActionDocument, batchNos: readonly number[]): Promise<number> {
    const { store, producer, topics, window, onMissing } = this.#options;
    const batches = await store.read(action._id, batchNos, window);
    // The staged batches were removed in between, so the action has ended.
    if (batches.length === 0) return batchNos.length;
    await producer.send(
      topics.entityBatches[action.lane],
      batchMessages(action, batches, stopCauseOf(action)),
    );
    onMissing?.(action.lane, batches.length);
    return batches.length;
  }

  #in(ms: number): Date {
    return instantAfter(this.#options.now(), ms);
  }
}

function isBehind(positions: Offsets, ends: Offsets, partition: string): boolean {
  return (positions[partition] ?? 0) >= (ends[partition] ?? 0);
}
