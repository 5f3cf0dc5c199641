import type { ConsumerGroups, TopicNames } from '@bulk/contracts';
import { Consumption, ProduceError, type Kafka, type MessageProducer, type Offsets } from '@bulk/kafka';
import type { ActionDocument, SweepMark, SweepState } from '@bulk/mongo';
import { backoffCeiling, instantAfter, type Lane } from '@bulk/domain';
import type { Logger } from '@bulk/runtime';
import { batchMessages } from './batch-message.ts';
import type { WindowLimits } from './dispatch-store.ts';
import type { GapStore } from './gap-store.ts';

export interface GapSweeperOptions {
  readonly store: GapStore;
  readonly kafka: Kafka;
  readonly producer: MessageProducer;
  readonly topics: TopicNames;
  readonly groups: ConsumerGroups;
  /** What is published at once. */
  readonly window: WindowLimits;
  /** An action of which nothing was counted for so long is looked at, in ms. */
  readonly afterMs: number;
  readonly now: () => Date;
  /** Called when missing batches are published again; never throws. */
  readonly onMissing?: (lane: Lane, batches: number) => void;
  readonly log: Logger;
}

/** Actions that one round looks at, at most. */
const ROUND = 20;
/** Batches of an action that one round publishes again, at most. */
const MAX_BATCHES = 1_000;
/** Numbers of batches in a line of the log, at most. */
const LOGGED = 50;
/** For so long no other instance looks at an action, in ms, unless `afterMs` is shorter. */
const CLAIM_MS = 60_000;
/** The longest rest of an action between two rounds in which batches of it were published again, in ms. */
const MAX_REST_MS = 3_600_000;

/**
 * Finds batches that are recorded as published and are not in Kafka, whatever lost them, and publishes them again. Safe to
 * run in every instance at once: an action is claimed, and a second copy of a batch that was there after all is dropped.
 *
 * A batch is missing when all that lay in its partition of the lane when nothing was counted any more has been consumed, then
 * all results that were there after that, and it still has no log. What is slow is not missing: a partition with lag is left
 * alone, and so are batches that wait in a retry topic. How far that is stands in the action's document, from round to round.
 */
export class GapSweeper {
  readonly #options: GapSweeperOptions;

  constructor(options: GapSweeperOptions) {
    this.#options = options;
  }

  /**
   * One round. An action of which batches cannot be published now holds up no other: it is looked at again later.
   *
   * @returns how many batches were published again. @throws StoreError; kafkajs' error.
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

  /** Goes on with an action as far as it is possible now. @returns how many batches were published again. */
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

  /** The partitions of the lane that are consumed up to the mark, and the ends of the results after that; null: there is none. */
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

  /** Publishes the first of these batches, in the form that they had. @returns how many. */
  async #publish(action: ActionDocument, batchNos: readonly number[]): Promise<number> {
    const { store, producer, topics, window, onMissing } = this.#options;
    const batches = await store.read(action._id, batchNos, window);
    // Removed in between: the action has ended.
    if (batches.length === 0) return batchNos.length;
    await producer.send(
      topics.entityBatches[action.lane],
      batchMessages(action, batches, action.cancelRequestedAt !== null),
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
